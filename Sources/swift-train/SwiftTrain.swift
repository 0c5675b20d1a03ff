internal import ArgumentParser

@main
struct SwiftTrain: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "swift-train")
}
