// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
]
let cSettings: [CSetting] = [.treatAllWarnings(as: .error)]

/// A Debian (and Ubuntu) C library behind a module map and a small shim; imported by exactly one Swift target.
func systemLibrary(_ name: String, pkgConfig: String, debianPackage: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([debianPackage])])
}

func swiftTarget(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swiftSettings)
}

func tests(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], resources: [Resource] = []
) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, exclude: exclude, resources: resources, swiftSettings: swiftSettings)
}

let package = Package(
    name: "swift-train",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    ],
    targets: [
        // One system library each.
        systemLibrary("CHDF5", pkgConfig: "hdf5", debianPackage: "libhdf5-dev"),
        systemLibrary("CMPI", pkgConfig: "ompi-c", debianPackage: "libopenmpi-dev"),
        systemLibrary("CZlib", pkgConfig: "zlib", debianPackage: "zlib1g-dev"),
        systemLibrary("CCrypto", pkgConfig: "libcrypto", debianPackage: "libssl-dev"),
        systemLibrary("CArchive", pkgConfig: "libarchive", debianPackage: "libarchive-dev"),

        // In the order in which data flows.
        swiftTarget("Diagnostics", []),
        swiftTarget("Report", ["Diagnostics"]),
        swiftTarget("Files", ["Diagnostics"]),
        swiftTarget(
            "Interchange",
            [
                "Files", "Report", "Diagnostics", "CArchive",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ], exclude: ["TensorBoard/TensorBoard.proto"]),
        swiftTarget("Digests", ["CCrypto"]),
        swiftTarget("HDF5", ["CHDF5", "Diagnostics"]),
        .target(
            name: "CImages", cSettings: cSettings, linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("png")]),
        swiftTarget("Pictures", ["CImages", "Report"]),
        .target(name: "CKernels", cSettings: cSettings),
        swiftTarget("Tensors", ["CKernels"]),
        .target(name: "CMappedFiles", cSettings: cSettings),
        swiftTarget(
            "Datasets",
            ["Tensors", "HDF5", "Files", "Digests", "Report", "Diagnostics", "CMappedFiles", "CImages", "CZlib"]),
        swiftTarget(
            "Ingest",
            [
                "Datasets", "HDF5", "Tensors", "Files", "Digests", "Report", "Diagnostics", "CArchive", "CZlib",
            ]),
        swiftTarget("Layers", ["Tensors"]),
        swiftTarget("Models", ["Layers", "Tensors"]),
        .target(name: "CSignals", cSettings: cSettings),
        swiftTarget("DataParallel", ["Tensors", "Files", "Report", "Diagnostics", "CMPI", "CSignals"]),
        swiftTarget(
            "Training",
            [
                "Layers", "Datasets", "DataParallel", "HDF5", "Interchange", "Tensors", "CKernels", "Files", "Digests",
                "Report", "Pictures", "Diagnostics",
                .product(name: "Yams", package: "Yams"),
            ]),
        .executableTarget(
            name: "swift-train",
            dependencies: [
                "Training", "Report", "Pictures", "Models", "Layers", "Datasets", "Ingest", "DataParallel",
                "Tensors", "Files", "Diagnostics",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings),

        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter", cSettings: cSettings),
        .target(
            name: "CKernelCounter", dependencies: ["CKernels"], path: "Tests/CKernelCounter", cSettings: cSettings),
        .target(name: "CFileFaults", path: "Tests/CFileFaults", cSettings: cSettings),
        .target(
            name: "TestSupport", dependencies: ["DataParallel", "Datasets", "Diagnostics", "HDF5", "Tensors"],
            path: "Tests/TestSupport", swiftSettings: swiftSettings),
        tests("FilesTests", ["Files", "Diagnostics", "CFileFaults", "TestSupport"]),
        tests(
            "InterchangeTests", ["Interchange", "Files", "Diagnostics"], exclude: ["Generator"],
            resources: [.copy("Fixtures")]),
        .target(name: "CKernelCases", dependencies: ["CKernels"], path: "Tests/CKernelCases", cSettings: cSettings),
        tests("TensorsTests", ["Tensors", "CKernels", "CKernelCases", "TestSupport"]),
        tests("HDF5Tests", ["HDF5", "TestSupport"], resources: [.copy("Fixtures")]),
        tests(
            "DatasetsTests", ["Datasets", "HDF5", "Files", "Digests", "Diagnostics", "Tensors", "TestSupport"],
            exclude: ["Generator"],
            resources: [.copy("Golden")]),
        tests(
            "IngestTests",
            [
                "Ingest", "Datasets", "HDF5", "Tensors", "Diagnostics", "Digests", "CImages", "CZlib",
                "CAllocationCounter", "TestSupport",
            ],
            exclude: ["Generator"],
            resources: [.copy("Fixtures")]),
        tests(
            "LayersTests", ["Layers", "Models", "Tensors", "CAllocationCounter", "CKernelCounter", "TestSupport"],
            exclude: ["Generator"],
            resources: [.copy("Golden")]),
        tests("ModelsTests", ["Models", "Layers", "Tensors"]),
        tests("DataParallelTests", ["DataParallel", "Tensors", "Diagnostics", "TestSupport"]),
        tests(
            "TrainingTests",
            [
                "Training", "Models", "Layers", "Datasets", "Ingest", "DataParallel", "HDF5", "Tensors", "Files",
                "Interchange", "Report", "Pictures", "Diagnostics", "CAllocationCounter", "CFileFaults",
                "TestSupport",
            ], exclude: ["Generator", "Golden", "NetworkGolden", "PredictionGolden"]),
        tests("ReportTests", ["Report", "TestSupport"]),
        tests("PicturesTests", ["Pictures", "Report", "CImages"], exclude: ["Generator"]),
        tests(
            "FuzzTests", ["Training", "Ingest", "Datasets", "Interchange", "HDF5", "Files", "Report", "Diagnostics"],
            resources: [.copy("Corpus")]),
        tests("CommandTests", ["HDF5", "TestSupport", "swift-train"]),

        // Benchmarks/compare-sums runs it.
        .executableTarget(
            name: "sums", dependencies: ["DataParallel", "Tensors"], path: "Benchmarks/sums",
            swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6]
)
