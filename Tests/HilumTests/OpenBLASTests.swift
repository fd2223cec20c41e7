import HilumCore
import Testing

/// Which calls load OpenBLAS, and what those say that need it and cannot have it.
@Suite("OpenBLAS")
struct OpenBLASTests {
    private let missing = ["HILUM_OPENBLAS": "/nonexistent/libopenblas.so"]

    @Test("A call that embeds or searches never loads OpenBLAS; one that evaluates or trains does")
    func isLoadedWhenItIsNeeded() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        // The dynamic linker names each file that it opens, also those that dlopen asks for.
        let traced = ["LD_DEBUG": "files"]
        let image = world.phantoms + "/images/phantom-A-11-000000.png"
        for words in [
            ["embed", "--model", world.model, "--text", "effusion", "--image", image, "--out", scratch.path("v.npy")],
            ["search", archive, "--text", "effusion", "--json"],
            ["explain", archive, "--text", "effusion", "--image", image, "--json"],
        ] {
            let result = try Program.run(words, environment: traced)
            #expect(result.status == 0 && result.errors.contains("liblmdb"), "\(words[0])")
            #expect(!result.errors.contains("openblas"), "\(words[0])")
        }
        for words in [
            ["eval", "--model", world.model, "--data", world.phantoms, "--quiet", "--json"],
            [
                "train", "--data", world.phantoms, "--init", world.model, "--steps", "1", "--batch", "4", "--hold-out",
                "4",
                "--out", scratch.path("tuned"), "--quiet",
            ],
        ] {
            let result = try Program.run(words, environment: traced)
            #expect(result.status == 0 && result.errors.contains("openblas"), "\(words[0])")
        }
    }

    @Test("Without OpenBLAS inference works, and training, evaluation and trials say what to install")
    func missingLibrary() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        for words in [
            ["embed", "--model", world.model, "--text", "effusion", "--out", scratch.path("v.npy")],
            ["search", archive, "--text", "effusion", "--json"],
        ] {
            let result = try Program.run(words, environment: missing)
            #expect(result.status == 0, "\(words[0]): \(result.errors)")
        }
        for words in [
            ["eval", "--model", world.model, "--data", world.phantoms, "--json"],
            ["train", "--data", world.phantoms, "--init", world.model, "--steps", "1", "--out", scratch.path("tuned")],
            ["pilot", world.phantoms, "--model", world.model, "--out", scratch.path("pilot.html")],
        ] {
            let result = try Program.run(words, environment: missing)
            #expect(result.status == 1, "\(words[0]): \(result.errors)")
            #expect(result.errors.contains("apt-get install libopenblas-dev"), "\(words[0]): \(result.errors)")
            #expect(result.errors.contains("/nonexistent/libopenblas.so"), "\(words[0])")
        }
    }
}
