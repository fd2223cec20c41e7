import Foundation
import HilumCore

@main
struct Hilum {
    static func main() {
        print("hilum")
    }
}
