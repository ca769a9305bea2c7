// swift-tools-version: 6.3
// Only `make bench-count` builds this: netlink messages as Drawbridge encodes them, and nothing that sends them.
import PackageDescription

let package = Package(
    name: "count",
    dependencies: [.package(name: "drawbridge", path: "../..")],
    targets: [
        .executableTarget(
            name: "encode",
            dependencies: [
                .product(name: "Nftables", package: "drawbridge"),
                .product(name: "RouteNetlink", package: "drawbridge"),
            ])
    ]
)
