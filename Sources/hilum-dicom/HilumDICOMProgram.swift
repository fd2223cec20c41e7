import Foundation
import HilumDICOM

/// The program `hilum-dicom`, which `hilum` starts to decode DICOM files. It reads requests on standard input and takes no arguments.
@main
struct HilumDICOMProgram {
    static func main() {
        guard CommandLine.arguments.count == 1, isatty(0) == 0 else {
            let text = "hilum-dicom decodes DICOM files for hilum, which starts it; it is not for use by hand\n"
            FileHandle.standardError.write(Data(text.utf8))
            exit(2)
        }
        exit(DICOMService.run())
    }
}
