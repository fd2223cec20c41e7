@main
struct HilumBench {
    static func main() {
        print("hilum-bench")
    }
}
