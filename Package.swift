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
        .target(name: "RespCodec", swiftSettings: [.strictMemorySafety()]),
        .target(
            name: "StoreEngine", dependencies: ["RespCodec", "CLinux"],
            swiftSettings: [.strictMemorySafety()]),
        .executableTarget(name: "RespServer", dependencies: ["StoreEngine", "RespCodec", "CLinux"]),
        .executableTarget(name: "respcli", dependencies: ["RespCodec"]),
        .testTarget(name: "RespCodecTests", dependencies: ["RespCodec"]),
        .testTarget(name: "StoreEngineTests", dependencies: ["StoreEngine"]),
        .testTarget(name: "RespServerTests", dependencies: ["RespServer"]),
        .testTarget(name: "RespcliTests", dependencies: ["respcli"]),
    ],
    swiftLanguageModes: [.v6]
)
