// swift-tools-version: 6.2
import PackageDescription

// MARK: - Build settings

/// The instruction set the kernels are compiled for.
///
/// `native` is the machine that builds; for a
/// cluster of mixed hosts build with UNET_DIST_MARCH=x86-64-v3.
let march = Context.environment["UNET_DIST_MARCH"] ?? "native"

/// Numeric code is useless without optimisation, so it is optimised in every configuration.
///
/// `-Xcc -march` steers Swift's own code generation too: without it SIMD types compile to SSE and
/// a fused multiply-add to one library call a lane. A root package may use unsafe flags.
let numericSettings: [SwiftSetting] = [
  .unsafeFlags(["-O", "-wmo", "-Xcc", "-march=\(march)"])
]

/// The commit that is built, which logs and checkpoints name.
let revision =
  Context.gitInformation.map { $0.currentCommit + ($0.hasUncommittedChanges ? "-modified" : "") }
  ?? "unknown"

// MARK: - Package

let package = Package(
  name: "unet-dist",
  products: [
    .executable(name: "unet-dist", targets: ["unet-dist"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    // MARK: Level 0: C doors
    .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CScheduling"),
    .target(
      name: "CBuildInformation",
      cSettings: [.define("UNET_DIST_REVISION", to: "\"\(revision)\"")]),
    .systemLibrary(name: "CVectors"),
    .target(
      name: "CImageCodecs",
      linkerSettings: [.linkedLibrary("png"), .linkedLibrary("tiff"), .linkedLibrary("jpeg")]),

    // MARK: Level 1
    .target(name: "Threading", swiftSettings: numericSettings),
    .target(name: "Randomness", swiftSettings: numericSettings),

    // MARK: Level 2
    .target(
      name: "Tensors", dependencies: ["CCrypto"],
      swiftSettings: numericSettings),

    // MARK: Level 3
    .target(
      name: "Kernels",
      dependencies: ["COpenBLAS", "CVectors", "Randomness", "Tensors", "Threading"],
      swiftSettings: numericSettings),
    .target(name: "Imaging", dependencies: ["CImageCodecs"], swiftSettings: numericSettings),
    .target(
      name: "Communication", dependencies: ["CMPI", "CScheduling", "Tensors"],
      swiftSettings: numericSettings),

    // MARK: Level 4
    .target(
      name: "Network", dependencies: ["Kernels", "Randomness", "Tensors", "Threading"],
      swiftSettings: numericSettings),
    .target(
      name: "Datasets", dependencies: ["Imaging", "Randomness", "Threading"],
      swiftSettings: numericSettings),

    // MARK: Level 5
    .target(
      name: "Evaluation",
      dependencies: [
        "Communication", "Datasets", "Imaging", "Kernels", "Network", "Randomness", "Tensors",
        "Threading",
      ],
      swiftSettings: numericSettings),

    // MARK: Level 6
    .target(
      name: "Training",
      dependencies: [
        "CBuildInformation", "Communication", "Datasets", "Evaluation", "Imaging", "Kernels",
        "Network", "Randomness",
        "Tensors", "Threading", "Yams",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: numericSettings),

    // MARK: Level 7
    .executableTarget(
      name: "unet-dist",
      dependencies: [
        "Communication", "Datasets", "Evaluation", "Imaging", "Kernels", "Network", "Randomness",
        "Tensors", "Threading", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ]),

    // MARK: Tests
    .target(
      name: "TestSupport", dependencies: ["Communication", "Tensors"], path: "Tests/TestSupport",
      swiftSettings: numericSettings),
    .testTarget(
      name: "TestSupportTests", dependencies: ["Communication", "TestSupport", "Tensors"]),
    .testTarget(name: "RandomnessTests", dependencies: ["Randomness"]),
    .testTarget(
      name: "KernelsTests",
      dependencies: ["Kernels", "Randomness", "Tensors", "TestSupport", "Threading"]),
    .testTarget(
      name: "NetworkTests",
      dependencies: [
        "AllocationCounter", "Kernels", "Network", "Randomness", "Tensors", "TestSupport",
        "Threading",
      ]),
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "TestSupport"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Communication", "Datasets", "Network", "Randomness", "Tensors", "TestSupport", "Threading",
        "Training", .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(
      name: "CommandLineTests",
      dependencies: ["Imaging", "Network", "Tensors", "TestSupport", "Training", "unet-dist"]),
    // Not a product: the program that CommunicationTests start by mpirun.
    .executableTarget(
      name: "communication-check", dependencies: ["Communication"],
      path: "Tests/CommunicationCheck"),
    .testTarget(
      name: "CommunicationTests", dependencies: ["Communication", "Tensors", "TestSupport"]),
    .testTarget(name: "DatasetsTests", dependencies: ["Datasets", "Imaging", "Threading"]),
    .testTarget(
      name: "EvaluationTests",
      dependencies: [
        "Communication", "Datasets", "Evaluation", "Imaging", "Network", "Randomness", "Tensors",
        "TestSupport", "Threading",
      ]),
    // The fixtures are read where they lie, so that no copy of them grows old in a bundle.
    .testTarget(name: "ImagingTests", dependencies: ["Imaging"], exclude: ["Fixtures"]),
  ]
)
