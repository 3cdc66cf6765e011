// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// One row a module: its name, its layer, and the modules it may import. Nothing else may be
// imported; `make layers` compares this table with the `import` lines and fails on a difference.
// A module imports only modules of lower layers, so the graph cannot have a cycle.

/// A library target below `Sources/Shared`.
struct Module {
  let name: String
  let layer: Int
  let imports: [String]
  init(_ name: String, layer: Int, imports: [String] = []) {
    self.name = name
    self.layer = layer
    self.imports = imports
  }
}

/// A C library of the system: a module map and a header, no logic.
struct SystemLibrary {
  let name: String
  let pkgConfig: String?
  let debianPackage: String?
}

let systemLibraries = [
  SystemLibrary(name: "CArchive", pkgConfig: "libarchive", debianPackage: "libarchive-dev"),
  SystemLibrary(name: "CXML2", pkgConfig: "libxml-2.0", debianPackage: "libxml2-dev"),
  SystemLibrary(name: "CCrypto", pkgConfig: "libcrypto", debianPackage: "libssl-dev"),
  // Ours: vector instructions behind a few inline functions.
  SystemLibrary(name: "CByteScan", pkgConfig: nil, debianPackage: "libc6-dev"),
  SystemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", debianPackage: "libpcre2-dev"),
  // Only its types: the library is opened at run time, after its kernels were chosen.
  SystemLibrary(name: "COpenBLAS", pkgConfig: nil, debianPackage: "libopenblas-dev"),
  // Instructions that Swift has no name for; no library.
  SystemLibrary(name: "CInstructions", pkgConfig: nil, debianPackage: nil),
]

let modules = [
  Module("Streams", layer: 1, imports: ["CArchive", "CCrypto", "CByteScan"]),
  Module("Randomness", layer: 1, imports: ["CCrypto"]),
  Module("Privacy", layer: 2, imports: ["Randomness"]),
  Module("Records", layer: 2, imports: ["Streams"]),
  Module("Safetensors", layer: 2, imports: ["Streams"]),
  Module("GGUF", layer: 2, imports: ["Streams"]),
  Module("Compute", layer: 3, imports: ["Randomness", "COpenBLAS", "CInstructions", "Streams"]),
  Module("Devices", layer: 4, imports: ["Compute"]),
  Module("Corpora", layer: 4, imports: ["Records", "Streams", "CArchive", "CXML2"]),
  Module("Partitioning", layer: 4, imports: ["Records", "Streams", "Randomness"]),
  Module("Tokenization", layer: 4, imports: ["Streams", "GGUF", "CPCRE2"]),
  Module("Examples", layer: 5, imports: ["Records", "Streams", "Tokenization", "Randomness"]),
  Module("Scoring", layer: 6, imports: ["Records", "Streams", "Examples"]),
  Module("Adapters", layer: 4, imports: ["Safetensors", "Streams"]),
  Module(
    "LanguageModels", layer: 5,
    imports: ["Compute", "Safetensors", "GGUF", "Adapters", "Randomness", "Streams"]),
  Module(
    "Training", layer: 6,
    imports: [
      "LanguageModels", "Compute", "Adapters", "Safetensors", "Examples", "Records", "Randomness",
      "Streams", "Privacy",
    ]),
  Module(
    "Aggregation", layer: 5,
    imports: ["Adapters", "Safetensors", "Compute", "Privacy", "Randomness", "Records", "Streams"]),
  Module("Reporting", layer: 5, imports: ["Records", "Adapters", "Streams", "CXML2"]),
  Module("CommandSupport", layer: 7, imports: ["ArgumentParser", "Streams", "Records"]),
]

let executables = [
  "cl-score": [
    "ArgumentParser", "CommandSupport", "Scoring", "Corpora", "Records", "Streams", "Tokenization", "Examples",
    "LanguageModels", "Adapters", "Devices", "Compute",
  ],
  "cl-partition": [
    "ArgumentParser", "CommandSupport", "Partitioning", "Corpora", "Records", "Streams",
    "Randomness",
  ],
  "cl-train": [
    "ArgumentParser", "CommandSupport", "Training", "LanguageModels", "Adapters", "Corpora", "Examples", "Tokenization",
    "Records", "Streams", "Randomness", "Devices", "Compute",
  ],
  "cl-aggregate": [
    "ArgumentParser", "CommandSupport", "Aggregation", "Adapters", "Safetensors", "Privacy",
    "Records", "Streams", "LanguageModels", "Compute",
  ],
  "cl-report": ["ArgumentParser", "CommandSupport", "Reporting", "Records", "Streams"],
]

// Test targets: one a module, and those that look at several modules or at the built tools.
let crossTests = [
  "DeviceConformanceTests": ["Compute", "Devices"],
  "ModelParityTests": [
    "LanguageModels", "Training", "Adapters", "Safetensors", "GGUF", "Examples", "Compute",
    "Devices", "Streams", "Records", "Randomness", "Scoring",
  ],
  "PartitionCorpusTests": ["Corpora", "Partitioning", "Records", "Randomness", "Streams"],
  "GoldenTests": ["Streams"],
]

let third = ["ArgumentParser": ("swift-argument-parser", "ArgumentParser")]

func dependency(_ name: String) -> Target.Dependency {
  if let (package, product) = third[name] { return .product(name: product, package: package) }
  return .target(name: name)
}

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "cllora",
  products: executables.keys.sorted().map { .executable(name: $0, targets: [$0]) },
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: systemLibraries.map {
    .systemLibrary(
      name: $0.name, path: "Sources/Shared/\($0.name)", pkgConfig: $0.pkgConfig,
      providers: $0.debianPackage.map { [.apt([$0])] })
  }
    + modules.map {
      .target(
        name: $0.name, dependencies: $0.imports.map(dependency), path: "Sources/Shared/\($0.name)",
        swiftSettings: settings)
    }
    + executables.sorted { $0.key < $1.key }.map {
      .executableTarget(
        name: $0.key, dependencies: $0.value.map(dependency), path: "Sources/\($0.key)",
        swiftSettings: settings)
    }
    + [
      .executableTarget(
        name: "cl-bench-kernels", dependencies: ["CInstructions", "Compute", "Devices"], path: "Benchmarks/Kernels",
        swiftSettings: settings),
      .executableTarget(
        name: "cl-bench-tokenizers",
        dependencies: ["Tokenization", "Examples", "Records", "Streams"],
        path: "Benchmarks/Tokenizers", swiftSettings: settings),
      .target(
        name: "TestSupport", dependencies: [.target(name: "Streams"), .target(name: "CArchive")], path: "Tests/TestSupport",
        swiftSettings: settings)
    ]
    + modules.map {
      .testTarget(
        name: "\($0.name)Tests",
        dependencies: [.target(name: $0.name), .target(name: "TestSupport")]
          + $0.imports.filter { !$0.hasPrefix("C") || $0 == "Compute" || $0 == "CommandSupport" }
          .map(dependency),
        path: "Tests/\($0.name)Tests", swiftSettings: settings)
    }
    + crossTests.sorted { $0.key < $1.key }.map {
      .testTarget(
        name: $0.key,
        dependencies: $0.value.map(dependency) + [.target(name: "TestSupport")]
          + ($0.key == "GoldenTests" ? executables.keys.sorted().map { .target(name: $0) } : []),
        path: "Tests/\($0.key)", exclude: $0.key == "GoldenTests" ? ["Cases"] : [],
        swiftSettings: settings)
    }
)
