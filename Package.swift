// swift-tools-version: 6.2
// Hilum: similar-case search over medical images and reports. Sources/README.md has the table of floors.
import Foundation
import PackageDescription

// GDCM reads DICOM. Without its headers the package builds all the same, and a DICOM file is refused with this reason.
let hasGDCM = FileManager.default.fileExists(atPath: "/usr/include/gdcm-3.0/gdcmImageReader.h")
let gdcmLibraries = ["gdcmMSFF", "gdcmDICT", "gdcmDSED", "gdcmCommon"]
// libdeflate inflates PNG files. Without its header libpng does so, in twice the time.
let hasDeflate = FileManager.default.fileExists(atPath: "/usr/include/libdeflate.h")
// libmicrohttpd serves the page of `hilum view`. Without its header the verb says so.
let hasMicroHTTPD = FileManager.default.fileExists(atPath: "/usr/include/microhttpd.h")

// The modules whose readers are fuzzed.
let fuzzed = [
    "LMDB", "HilumCore", "HilumIndex", "HilumImaging", "HilumReports", "HilumWords", "HilumPrivacy", "HilumEmbedding",
    "HilumDocuments", "HilumMCR", "HilumArchive", "HilumServer",
]

let package = Package(
    name: "Hilum",
    products: [
        .executable(name: "hilum", targets: ["hilum"]),
        .executable(name: "hilum-bench", targets: ["hilum-bench"]),
        .library(name: "HilumIndex", targets: ["HilumIndex"]),
        // With what an embedder of one's own needs: the protocol, and the image that it gets.
        .library(
            name: "HilumArchive", targets: ["HilumArchive", "HilumEmbedding", "HilumImaging", "HilumPrivacy"]),
        .library(name: "HilumMCR", targets: ["HilumMCR"]),
    ],
    targets: [
        // Floor 0: C. One Swift module imports each of them; CHilumKernels serves three, CHilumSystem two.
        .systemLibrary(name: "CLMDB", pkgConfig: "lmdb", providers: [.apt(["liblmdb-dev"])]),
        .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CSHA2", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CGetopt"),
        .target(
            name: "CPNG", cSettings: hasDeflate ? [.define("HILUM_DEFLATE")] : [],
            linkerSettings: ((hasDeflate ? ["deflate"] : []) + ["png", "z"]).map { .linkedLibrary($0) }),
        .target(
            name: "CGDCM", cxxSettings: hasGDCM ? [.define("HILUM_GDCM")] : [],
            linkerSettings: hasGDCM ? gdcmLibraries.map { .linkedLibrary($0) } : []),
        .target(
            name: "CMicroHTTPD", cSettings: hasMicroHTTPD ? [.define("HILUM_MICROHTTPD")] : [],
            linkerSettings: hasMicroHTTPD ? [.linkedLibrary("microhttpd")] : []),
        .target(name: "COpenBLAS", linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "CHilumKernels", linkerSettings: [.linkedLibrary("m")]),
        .target(name: "CHilumSystem"),

        // Floor 1
        .target(name: "LMDB", dependencies: ["CLMDB"]),
        .target(name: "HilumCore", dependencies: ["CHilumKernels", "CSHA2"]),

        // Floor 2
        .target(name: "HilumIndex", dependencies: ["HilumCore", "CHilumKernels"]),
        .target(name: "HilumNN", dependencies: ["HilumCore", "CHilumKernels", "COpenBLAS"]),
        .target(name: "HilumImaging", dependencies: ["HilumCore", "CPNG", "CTurboJPEG"]),
        .target(name: "HilumReports", dependencies: ["HilumCore"], resources: [.copy("Resources/Lexicon")]),
        .target(name: "HilumWords", dependencies: ["HilumCore"]),
        .target(name: "HilumPrivacy", dependencies: ["HilumCore"], resources: [.copy("Resources/Privacy")]),

        // Floor 3
        .target(name: "HilumEmbedding", dependencies: ["HilumCore", "HilumImaging"]),
        .target(name: "HilumDICOM", dependencies: ["HilumImaging", "CGDCM"]),
        .target(name: "HilumDocuments", dependencies: ["HilumCore", "HilumImaging"]),
        .target(
            name: "HilumPhantom", dependencies: ["HilumCore", "HilumImaging"],
            resources: [.copy("Resources/radiology-wording.txt")]),

        // Floor 4: the encoder and the archive do not know each other; HilumEmbedding stands between them.
        .target(
            name: "HilumMCR", dependencies: ["HilumCore", "HilumNN", "HilumImaging", "HilumEmbedding"],
            resources: [.copy("Resources/mcr-default"), .copy("Resources/stem-efficientnet-lite0")]),
        .target(
            name: "HilumArchive",
            dependencies: [
                "CZlib", "CHilumSystem", "HilumCore", "LMDB", "HilumIndex", "HilumImaging", "HilumReports",
                "HilumWords",
                "HilumPrivacy", "HilumEmbedding", "HilumDocuments",
            ]),

        // Floor 5
        .target(name: "HilumEvaluation", dependencies: ["HilumCore", "HilumNN", "HilumImaging", "HilumMCR"]),
        .target(
            name: "HilumServer",
            dependencies: [
                "HilumCore", "HilumImaging", "HilumReports", "HilumEmbedding", "HilumArchive", "CHilumSystem",
            ]),

        // Floor 6
        .executableTarget(
            name: "hilum",
            dependencies: [
                "CGetopt", "HilumCore", "HilumImaging", "HilumIndex", "HilumReports", "HilumPrivacy", "HilumEmbedding",
                "HilumMCR", "HilumPhantom", "HilumArchive", "HilumEvaluation", "HilumServer",
            ]),
        // A program of its own: GDCM ends its process on some damaged files, and takes 35 ms to load.
        .executableTarget(name: "hilum-dicom", dependencies: ["HilumDICOM"]),
        // A program of its own beside the daemon: what speaks to a browser holds no archive and decodes no image.
        .executableTarget(
            name: "hilum-view", dependencies: ["HilumCore", "HilumServer", "CMicroHTTPD"],
            resources: [.copy("Resources/page")]),
        .executableTarget(
            name: "hilum-bench",
            dependencies: [
                "LMDB", "HilumCore", "HilumIndex", "HilumNN", "HilumImaging", "HilumReports", "HilumEmbedding",
                "HilumMCR",
                "HilumPhantom", "HilumArchive", "HilumServer",
            ],
            path: "Benchmarks/hilum-bench"),

        // The examples of the README, run by HilumTests. They get no more access than another package would have.
        .executableTarget(
            name: "index-example", dependencies: ["HilumIndex"], path: "Tests/Examples/index-example",
            packageAccess: false),
        .executableTarget(
            name: "archive-example", dependencies: ["HilumArchive", "HilumMCR"],
            path: "Tests/Examples/archive-example", packageAccess: false),

        .testTarget(name: "LMDBTests", dependencies: ["LMDB"]),
        .testTarget(name: "HilumCoreTests", dependencies: ["HilumCore"]),
        .testTarget(name: "HilumIndexTests", dependencies: ["HilumIndex", "HilumCore", "CHilumKernels"]),
        .testTarget(name: "HilumNNTests", dependencies: ["HilumNN", "HilumCore", "CHilumKernels"]),
        .testTarget(name: "HilumImagingTests", dependencies: ["HilumImaging", "HilumCore"]),
        .testTarget(
            name: "HilumDICOMTests", dependencies: ["HilumDICOM", "HilumImaging", "HilumCore", "hilum-dicom"]),
        .testTarget(name: "HilumDocumentsTests", dependencies: ["HilumDocuments", "HilumImaging", "HilumCore"]),
        .testTarget(name: "HilumPrivacyTests", dependencies: ["HilumPrivacy", "HilumReports", "HilumCore"]),
        .testTarget(name: "HilumWordsTests", dependencies: ["HilumWords", "HilumCore"]),
        .testTarget(
            name: "HilumReportsTests", dependencies: ["HilumReports", "HilumPhantom", "HilumCore"],
            // Marked sentences, read from the source tree.
            exclude: ["Resources"]),
        .testTarget(
            name: "HilumMCRTests",
            dependencies: ["HilumMCR", "HilumNN", "HilumEmbedding", "HilumPhantom", "HilumImaging", "HilumCore"],
            // Read from the source tree, so that a changed golden needs no build.
            exclude: ["Goldens"]),
        .testTarget(name: "HilumPhantomTests", dependencies: ["HilumPhantom", "HilumImaging", "HilumCore"]),
        .testTarget(
            name: "HilumArchiveTests",
            dependencies: [
                "HilumArchive", "HilumReports", "HilumWords", "HilumPrivacy", "HilumEmbedding", "HilumPhantom",
                "HilumImaging", "HilumCore",
            ],
            // Archives of earlier releases, read from the source tree.
            exclude: ["Fixtures"]),
        .testTarget(
            name: "HilumEvaluationTests",
            dependencies: ["HilumEvaluation", "HilumMCR", "HilumPhantom", "HilumImaging", "HilumCore"]),
        .testTarget(
            name: "HilumServerTests",
            dependencies: [
                "HilumServer", "HilumArchive", "HilumEmbedding", "HilumImaging", "HilumCore", "CHilumSystem",
            ]),
        // Its targets are those of the program `hilum-fuzz` below, whose driver is no test.
        .testTarget(
            name: "FuzzTests", dependencies: fuzzed.map { .target(name: $0) },
            // The corpus is read from the source tree.
            exclude: ["Driver", "Corpus"]),
        .testTarget(
            name: "HilumTests",
            dependencies: [
                "hilum", "hilum-dicom", "hilum-view", "HilumCore", "HilumImaging", "HilumMCR", "HilumEvaluation",
                "HilumPhantom",
            ],
            // Compiled by the test that preloads it; run as a server of its own.
            exclude: ["Faults", "Doubles"]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu11,
    cxxLanguageStandard: .cxx17
)

// Programs for sanitizers, which tools/torture builds into folders of their own; see tools/faults/sanitized.py.
if ProcessInfo.processInfo.environment["HILUM_SANITIZED"] != nil {
    package.targets.removeAll { $0.type == .test }
    package.targets += [
        .systemLibrary(name: "CLibFuzzer", path: "Tests/CLibFuzzer"),
        .executableTarget(
            name: "hilum-fuzz", dependencies: ["CLibFuzzer"] + fuzzed.map { .target(name: $0) },
            path: "Tests/FuzzTests", exclude: ["FuzzTests.swift", "Corpus"]),
        // Without it the sanitizer takes a `Mutex` that two threads want at once for none.
        .target(name: "CThreadNotes", path: "Tests/CThreadNotes"),
        .executableTarget(
            name: "hilum-race",
            dependencies: [
                "CThreadNotes", "HilumCore", "HilumIndex", "HilumImaging", "HilumEmbedding", "HilumArchive",
            ],
            path: "Tests/RaceProgram"),
    ]
}
