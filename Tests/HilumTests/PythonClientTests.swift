import Foundation
import HilumCore
import Testing

private let python = "/usr/bin/python3"

/// The Python client of `tools/python`, whose own tests run against the built program.
@Suite("Python client")
struct PythonClientTests {
    @Test(
        "The Python client's own tests hold against this program",
        .enabled(if: FileManager.default.isExecutableFile(atPath: python), "/usr/bin/python3 is absent"))
    func ownTests() throws {
        let folder = SourceTree.root + "/tools/python"
        let result = try Program.run(
            ["-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."],
            environment: ["HILUM_PROGRAM": Program.path], folder: folder, program: python)
        #expect(result.status == 0, "\(result.errors)")
        // A daemon that could not be found would skip most of them.
        #expect(result.errors.contains("\nOK\n") || result.errors.hasSuffix("\nOK"), "\(result.errors)")
        #expect(!result.errors.contains("skipped"), "\(result.errors)")
        #expect(!result.errors.contains("Ran 0 tests"), "\(result.errors)")
    }
}
