// swift-tools-version: 6.2

import PackageDescription

let package = Package(
    name: "resp-server",
    products: [
        .executable(name: "resp-server", targets: ["RespServer"]),
        .executable(name: "respcli", targets: ["respcli"]),
        .library(name: "RespCodec", targets: ["RespCodec"]),
        .library(name: "StoreEngine", targets: ["StoreEngine"]),
    ],
    targets: [
        .systemLibrary(name: "CLinux"),
        .target(name: "ProcessArguments", swiftSettings: [.strictMemorySafety()]),
        .target(name: "RespCodec", swiftSettings: [.strictMemorySafety()]),
        .target(
            name: "StoreEngine", dependencies: ["RespCodec", "CLinux"],
            swiftSettings: [.strictMemorySafety()]),
        .executableTarget(
            name: "RespServer", dependencies: ["StoreEngine", "RespCodec", "ProcessArguments", "CLinux"],
            swiftSettings: [.strictMemorySafety()]),
        .target(name: "TerminalKit", dependencies: ["CLinux"], path: "Sources/respcli/TerminalKit"),
        .executableTarget(
            name: "respcli", dependencies: ["RespCodec", "ProcessArguments", "TerminalKit", "CLinux"],
            exclude: ["TerminalKit"]),
        .target(name: "TestSupport", path: "Tests/TestSupport"),
        .testTarget(name: "RespCodecTests", dependencies: ["RespCodec", "TestSupport"]),
        .testTarget(name: "StoreEngineTests", dependencies: ["StoreEngine", "TestSupport"]),
        .testTarget(name: "RespServerTests", dependencies: ["RespServer", "ProcessArguments", "TestSupport"]),
        .testTarget(name: "TerminalKitTests", dependencies: ["TerminalKit", "TestSupport"]),
        .testTarget(name: "RespcliTests", dependencies: ["respcli", "ProcessArguments", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)
