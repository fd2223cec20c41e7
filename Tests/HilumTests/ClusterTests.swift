import Foundation
import HilumCore
import Testing

/// The scripts of `tools/cluster`.
@Suite("Cluster")
struct ClusterTests {
    private static let python = "/usr/bin/python3"
    private static let folder = SourceTree.root + "/tools/cluster"

    /// A Python that has Ray: the one that is named, or the one that `tools/cluster-test` made.
    private static let ray: String? = {
        let named = ProcessInfo.processInfo.environment["HILUM_CLUSTER_PYTHON"]
        let path = named ?? SourceTree.root + "/.build/cluster-venv/bin/python"
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()

    private static let hasAll =
        ray != nil && getuid() == 0
        && ["slurmctld", "slurmd", "munged", "haproxy"].allSatisfy {
            FileManager.default.isExecutableFile(atPath: "/usr/sbin/\($0)")
        }

    @Test(
        "Merging, hedging and what is said of a shard that is away: the router's own tests hold",
        .enabled(if: FileManager.default.isExecutableFile(atPath: python), "/usr/bin/python3 is absent"))
    func router() throws {
        let result = try Program.run(
            ["-B", "-m", "unittest", "discover", "-s", "ray", "-p", "test_*.py"],
            environment: ["HILUM_PROGRAM": Program.path], folder: Self.folder, program: Self.python)
        #expect(result.status == 0, "\(result.errors)")
        #expect(!result.errors.contains("skipped") && !result.errors.contains("Ran 0 tests"), "\(result.errors)")
    }

    @Test(
        "The short form of tools/cluster-test holds, with each part killed",
        .enabled(if: hasAll, "Slurm, munge, HAProxy, Ray or the rights of root are absent (tools/cluster-test --help)"))
    func shortForm() throws {
        let result = try Program.run(
            ["--quick"],
            environment: ["HILUM_PROGRAM": Program.path, "HILUM_CLUSTER_PYTHON": try #require(Self.ray)],
            program: SourceTree.root + "/tools/cluster-test")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.text.contains(#""figure": "recall@10 after growing""#), "\(result.errors)")
    }
}
