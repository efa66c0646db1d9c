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
        .testTarget(name: "RespCodecTests", dependencies: ["RespCodec"]),
        .testTarget(name: "StoreEngineTests", dependencies: ["StoreEngine"]),
        .testTarget(name: "RespServerTests", dependencies: ["RespServer", "ProcessArguments"]),
        .testTarget(name: "TerminalKitTests", dependencies: ["TerminalKit"]),
        .testTarget(name: "RespcliTests", dependencies: ["respcli", "ProcessArguments"]),
    ],
    swiftLanguageModes: [.v6]
)
