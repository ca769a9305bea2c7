// swift-tools-version: 6.3
import PackageDescription

/// The settings every target is built with.
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
]

/// Targets whose business is raw memory say so wherever they touch it.
let kernel: [SwiftSetting] = house + [.strictMemorySafety(), .enableExperimentalFeature("Lifetimes")]

/// Executables are static in release builds, so that they run on a machine without Swift.
let standalone: [LinkerSetting] = [
    .unsafeFlags(["-static-executable", "-Xlinker", "--gc-sections"], .when(configuration: .release))
]

/// One layer of the house: it may import what it lists, and nothing else.
func layer(
    _ name: String, _ dependencies: [Target.Dependency] = [], settings: [SwiftSetting] = house
) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: house)
}

let package = Package(
    name: "drawbridge",
    products: [
        .executable(name: "drawbridge", targets: ["drawbridge"]),
        .executable(name: "drawbridged", targets: ["drawbridged"]),
        .executable(name: "drawbridge-hotplug", targets: ["drawbridge-hotplug"]),
        .library(name: "Netlink", targets: ["Netlink"]),
        .library(name: "RouteNetlink", targets: ["RouteNetlink"]),
        .library(name: "Nftables", targets: ["Nftables"]),
        .library(name: "Conntrack", targets: ["Conntrack"]),
        .library(name: "SExpression", targets: ["SExpression"]),
        .library(name: "Varlink", targets: ["Varlink"]),
        .library(name: "Xenstore", targets: ["Xenstore"]),
        .library(name: "OVSDB", targets: ["OVSDB"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .systemLibrary(name: "LinuxHeaders"),
        .systemLibrary(name: "CYAML"),

        // The value types of the field, pure.
        layer("NetworkTypes"),

        // One protocol or format each, knowing nothing of Drawbridge.
        layer("Netlink", ["LinuxHeaders"], settings: kernel),
        layer("RouteNetlink", ["Netlink", "NetworkTypes", "LinuxHeaders"], settings: kernel),
        layer("Nftables", ["Netlink", "NetworkTypes", "LinuxHeaders"], settings: kernel),
        layer("Conntrack", ["Netlink", "NetworkTypes", "LinuxHeaders"], settings: kernel),
        layer("SExpression"),
        layer("Varlink", ["LinuxHeaders"]),
        layer("Xenstore", ["LinuxHeaders"]),
        layer("OVSDB", ["Varlink"]),

        // Drawbridge itself, from the inside out.
        layer("DrawbridgeModel", ["NetworkTypes"]),
        layer("DrawbridgeConfiguration", ["DrawbridgeModel", "NetworkTypes", "SExpression", "CYAML"]),
        layer("DrawbridgePlanning", ["DrawbridgeModel", "NetworkTypes"]),
        layer(
            "DrawbridgeHost",
            [
                "DrawbridgePlanning", "DrawbridgeModel", "NetworkTypes", "Netlink", "RouteNetlink",
                "Nftables", "Conntrack",
                "LinuxHeaders",
            ]),
        layer(
            "DrawbridgeEngine",
            [
                "DrawbridgeHost", "DrawbridgePlanning", "DrawbridgeModel", "NetworkTypes", "OVSDB", "Varlink",
                "LinuxHeaders",
                .product(name: "Logging", package: "swift-log"),
            ]),
        layer("DrawbridgeAPI", ["Varlink", "NetworkTypes"]),
        layer(
            "DrawbridgeDaemon",
            [
                "DrawbridgeEngine", "DrawbridgeAPI", "DrawbridgeConfiguration", "DrawbridgeHost",
                "DrawbridgePlanning", "DrawbridgeModel", "NetworkTypes", "Varlink", "Xenstore",
                "LinuxHeaders",
                .product(name: "Logging", package: "swift-log"),
            ]),

        .executableTarget(
            name: "drawbridge",
            dependencies: [
                "DrawbridgeAPI", "DrawbridgeConfiguration", "DrawbridgeEngine", "DrawbridgeHost",
                "DrawbridgeModel", "NetworkTypes", "Varlink", "LinuxHeaders",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: house, linkerSettings: standalone),
        .executableTarget(
            name: "drawbridged",
            dependencies: [
                "DrawbridgeDaemon", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: house, linkerSettings: standalone),
        .executableTarget(
            name: "drawbridge-hotplug", dependencies: ["LinuxHeaders", "Varlink", "Xenstore"],
            swiftSettings: house, linkerSettings: standalone),

        // Tests, one folder per target.
        .target(
            name: "TestSupport",
            dependencies: ["LinuxHeaders", "Netlink"],
            path: "Tests/Support", swiftSettings: house),
        .target(name: "CountedAllocations", path: "Tests/CountedAllocations"),
        tests("NetworkTypesTests", ["NetworkTypes"]),
        tests("NetlinkTests", ["Netlink", "LinuxHeaders", "TestSupport"]),
        tests(
            "RouteNetlinkTests", ["RouteNetlink", "Netlink", "NetworkTypes", "LinuxHeaders", "TestSupport"]),
        tests("NftablesTests", ["Nftables", "Netlink", "NetworkTypes", "TestSupport"]),
        tests("SExpressionTests", ["SExpression"]),
        tests("VarlinkTests", ["Varlink", "LinuxHeaders", "TestSupport"]),
        tests("XenstoreTests", ["Xenstore", "LinuxHeaders", "TestSupport"]),
        tests("OVSDBTests", ["OVSDB", "Varlink"]),
        tests("DrawbridgeModelTests", ["DrawbridgeModel", "NetworkTypes"]),
        tests(
            "DrawbridgeConfigurationTests",
            [
                "DrawbridgeConfiguration", "DrawbridgeModel", "NetworkTypes", "SExpression",
            ]),
        tests("DrawbridgePlanningTests", ["DrawbridgePlanning", "DrawbridgeModel", "NetworkTypes"]),
        tests(
            "DrawbridgeHostTests",
            [
                "DrawbridgeHost", "DrawbridgePlanning", "DrawbridgeModel", "NetworkTypes", "RouteNetlink",
                "Netlink",
                "LinuxHeaders", "TestSupport",
            ]),
        tests(
            "DrawbridgeEngineTests",
            [
                "DrawbridgeEngine", "DrawbridgeHost", "DrawbridgePlanning", "DrawbridgeModel", "NetworkTypes",
                "RouteNetlink", "Netlink", "LinuxHeaders", "TestSupport", "CountedAllocations",
                .product(name: "Logging", package: "swift-log"),
            ]),
        tests("DrawbridgeAPITests", ["DrawbridgeAPI", "Varlink", "NetworkTypes"]),
        tests(
            "DrawbridgeDaemonTests",
            [
                "DrawbridgeDaemon", "DrawbridgeEngine", "DrawbridgeAPI", "DrawbridgeModel", "Varlink",
                "NetworkTypes", "Xenstore", "LinuxHeaders", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
            ]),
        tests("ArchitectureTests", []),
    ]
)
