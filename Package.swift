// swift-tools-version: 6.2
import PackageDescription

// MARK: - Build settings

/// The instruction set the kernels are compiled for.
///
/// `native` is the machine that builds; for a
/// cluster of mixed hosts build with UNET_DIST_MARCH=x86-64-v3.
let march = Context.environment["UNET_DIST_MARCH"] ?? "native"

/// The MPI library, by the name of its pkg-config file.
///
/// Open MPI's unless UNET_DIST_MPI names another one, such as `mpich`.
let mpi = Context.environment["UNET_DIST_MPI"] ?? "ompi-c"

/// A file names every module whose members it uses, and shows only those that its own declarations
/// name.
let importSettings: [SwiftSetting] = [
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

/// Numeric code is useless without optimisation, so it is optimised in every configuration.
///
/// `-Xcc -march` steers Swift's own code generation too: without it SIMD types compile to SSE and
/// a fused multiply-add to one library call a lane. A root package may use unsafe flags.
let numericSettings: [SwiftSetting] =
  importSettings + [
    .unsafeFlags(["-O", "-Xcc", "-march=\(march)"])
  ]

// MARK: - Targets

/// A C module under Sources/C that is a header over an installed library, or over nothing.
func cModule(_ name: String, pkgConfig: String? = nil, apt: String? = nil) -> Target {
  .systemLibrary(
    name: name, path: "Sources/C/\(name)", pkgConfig: pkgConfig,
    providers: apt.map { [.apt([$0])] })
}

/// A Swift module of the program.
func module(
  _ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, exclude: exclude, swiftSettings: numericSettings)
}

/// The tests of a module; their folders mirror its own.
func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  // What tests compute by themselves is little; their oracles in TestSupport are optimised.
  .testTarget(
    name: name, dependencies: dependencies, exclude: exclude,
    swiftSettings: importSettings + [.unsafeFlags(["-Onone"])])
}

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

// MARK: - Package

let package = Package(
  name: "unet-dist",
  products: [
    .executable(name: "unet-dist", targets: ["unet-dist"]),
    // Loaded into the program by tests, to let it fail.
    .library(name: "FaultInjector", type: .dynamic, targets: ["FaultInjector"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    // MARK: C modules
    cModule("CMPI", pkgConfig: mpi, apt: "libopenmpi-dev"),
    cModule("COpenBLAS", pkgConfig: "openblas", apt: "libopenblas-dev"),
    cModule("CCrypto", pkgConfig: "libcrypto", apt: "libssl-dev"),
    cModule("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
    cModule("CScheduling"),
    .target(
      name: "CBuildInformation", path: "Sources/C/CBuildInformation",
      cSettings: [.define("UNET_DIST_MARCH", to: "\"\(march)\"")]),
    .target(name: "CLiveness", path: "Sources/C/CLiveness"),
    .target(
      name: "CStart", path: "Sources/C/CStart",
      cSettings: [.define("UNET_DIST_MARCH", to: "\"\(march)\"")]),
    cModule("CVectors"),
    cModule("CWriting"),
    cModule("COpenJPEG", pkgConfig: "libopenjp2", apt: "libopenjp2-7-dev"),
    .target(
      name: "CImageCodecs", dependencies: ["COpenJPEG"], path: "Sources/C/CImageCodecs",
      linkerSettings: ["png", "tiff", "jpeg", "z", "deflate"].map { .linkedLibrary($0) }),

    // MARK: Foundations
    module("Liveness", ["CLiveness"]),
    module("Threading", ["Liveness"]),
    module("Randomness"),
    module("Files", ["CCrypto", "CWriting", "Liveness"]),
    module("Tensors"),
    module("Morphology", ["Liveness"]),

    // MARK: The engine, images, and the ranks
    module("Kernels", ["COpenBLAS", "CVectors", "Randomness", "Tensors", "Threading"]),
    module("Imaging", ["CImageCodecs", "Files", "Liveness"]),
    module("Annotations", ["CZlib", "Files", "Imaging"]),
    module("Communication", ["CScheduling", "Liveness", "Tensors"]),
    module("MPICommunication", ["CMPI", "Communication", "Files", "Liveness"]),

    // MARK: The network and its data
    module("Network", ["Kernels", "Randomness", "Tensors", "Threading"]),
    module("ReferenceNetwork", ["Network", "Tensors", "Threading"]),
    module(
      "Datasets", ["Files", "Imaging", "Morphology", "Randomness", "Tensors", "Threading"]),
    module("Metrics", ["Files", "Morphology", "Tensors"]),

    // MARK: Using a network
    module(
      "Inference",
      [
        "Communication", "Datasets", "Files", "Imaging", "Kernels", "Metrics", "Morphology",
        "Network", "Randomness", "Tensors", "Threading",
      ]),
    module(
      "Configuration",
      [
        "Communication", "Datasets", "Files", "Kernels", "Network", "Tensors", "Yams",
        argumentParser,
        logging,
      ]),
    module(
      "Checkpoints",
      [
        "CBuildInformation", "Communication", "Datasets", "Files", "Kernels", "Network",
        "Randomness", "Tensors", "Threading",
      ]),

    // MARK: What others see of it
    module(
      "Export",
      [
        "CZlib", "Checkpoints", "Datasets", "Files", "Imaging", "Inference", "Kernels", "Network",
        "Tensors", "Threading", protobuf,
      ], exclude: ["ONNX/onnx.proto"]),
    module(
      "Reports", ["Files", "Imaging", mustache, protobuf],
      exclude: ["TensorBoard/tensorboard.proto"]),

    // MARK: Training one
    module(
      "Training",
      [
        "Checkpoints", "Communication", "Configuration", "Datasets", "Files", "Inference",
        "Imaging", "Kernels", "Liveness", "Metrics", "Network", "Randomness", "Reports", "Tensors",
        "Threading", logging,
      ]),
    module(
      "Benchmarks",
      [
        "Communication", "Configuration", "Datasets", "Files", "Inference", "Kernels", "Metrics",
        "Network", "Randomness", "ReferenceNetwork", "Tensors", "Threading", "Training",
        argumentParser,
      ]),

    // MARK: The program
    .executableTarget(
      name: "unet-dist",
      dependencies: [
        "Annotations", "Benchmarks", "CStart", "Checkpoints", "Communication", "Configuration",
        "Datasets", "Export", "Files", "Imaging", "Inference", "Kernels", "Liveness", "Metrics",
        "MPICommunication", "Network", "Reports", "Tensors", "Threading", "Training",
        argumentParser, logging,
      ], swiftSettings: importSettings),

    // MARK: Tests
    .target(
      name: "TestSupport", dependencies: ["Communication", "Files"], path: "Tests/TestSupport",
      swiftSettings: numericSettings),
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    .target(name: "FaultInjector", path: "Tests/FaultInjector"),
    // The program that MPICommunicationTests start by mpirun.
    .executableTarget(
      name: "communication-check", dependencies: ["Communication", "Liveness", "MPICommunication"],
      path: "Tests/CommunicationCheck", swiftSettings: importSettings),

    // The readers that Scripts/fuzz gives inputs to, and the tests of those that were found.
    .target(
      name: "FuzzSubjects",
      dependencies: [
        "Annotations", "Checkpoints", "Configuration", "Datasets", "Files", "Imaging",
      ], path: "Tests/FuzzSubjects", swiftSettings: importSettings),
    tests("FuzzSubjectsTests", ["FuzzSubjects", "TestSupport"], exclude: ["Found"]),

    tests("LivenessTests", ["Liveness", "TestSupport"]),
    tests("TestSupportTests", ["Communication", "Files", "TestSupport"]),
    tests("ThreadingTests", ["Randomness", "Threading"]),
    tests("RandomnessTests", ["Randomness"]),
    tests("TensorsTests", ["Randomness", "Tensors"]),
    tests("MorphologyTests", ["Morphology"], exclude: ["Fixtures"]),
    tests("FilesTests", ["Files", "TestSupport"]),
    tests(
      "KernelsTests", ["Files", "Kernels", "Randomness", "Tensors", "TestSupport", "Threading"]),
    // The fixtures are read where they lie, so that no copy of them grows old in a bundle.
    tests("ImagingTests", ["Files", "Imaging", "TestSupport"], exclude: ["Fixtures"]),
    tests(
      "AnnotationsTests", ["Annotations", "Files", "Imaging", "TestSupport"], exclude: ["Fixtures"]),
    tests("CommunicationTests", ["Communication", "Randomness", "Tensors", "TestSupport"]),
    tests("MPICommunicationTests", ["Communication", "MPICommunication", "TestSupport"]),
    tests(
      "NetworkTests",
      [
        "AllocationCounter", "Files", "Kernels", "Network", "Randomness", "ReferenceNetwork",
        "Tensors",
        "TestSupport", "Threading",
      ]),
    tests(
      "DatasetsTests", ["Datasets", "Files", "Imaging", "Tensors", "TestSupport", "Threading"]),
    tests("MetricsTests", ["Files", "Metrics"], exclude: ["Fixtures"]),
    tests(
      "InferenceTests",
      [
        "Communication", "Datasets", "Files", "Imaging", "Inference", "Metrics", "Network",
        "Randomness", "Tensors", "TestSupport", "Threading",
      ]),
    tests("ConfigurationTests", ["Configuration", "Datasets", "Network", "TestSupport"]),
    tests(
      "CheckpointsTests", ["Checkpoints", "Datasets", "Files", "Network", "Tensors", "TestSupport"]),
    tests(
      "ExportTests",
      [
        "Checkpoints", "Datasets", "Export", "Files", "Imaging", "Network", "Tensors",
        "TestSupport", "Threading", protobuf,
      ]),
    tests("ReportsTests", ["Files", "Imaging", "Reports", "TestSupport", protobuf]),
    tests(
      "TrainingTests",
      [
        "Checkpoints", "Communication", "Configuration", "Datasets", "Files", "Imaging", "Kernels",
        "Liveness", "Metrics", "Network", "Randomness", "Reports", "Tensors", "TestSupport",
        "Threading",
        "Training", logging,
      ]),
    tests("BenchmarksTests", ["Benchmarks", "Communication"]),
    tests(
      "CommandLineTests",
      [
        "Checkpoints", "Communication", "Configuration", "Files", "Imaging", "Liveness", "Network",
        "Tensors", "TestSupport", "unet-dist",
      ]),
  ]
)

// Its main function is libFuzzer's, so that it can be built for nothing else.
if Context.environment["UNET_DIST_BUILDS_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "Fuzz", dependencies: ["FuzzSubjects"], path: "Tests/Fuzz", exclude: ["Corpus"],
      swiftSettings: importSettings + [.unsafeFlags(["-parse-as-library"])]))
  package.products.append(.executable(name: "Fuzz", targets: ["Fuzz"]))
}
