internal import Diagnostics
internal import Layers
internal import Report
internal import Tensors
internal import Training

/// What a dry run shows: the run's facts, its layers' shapes, memory and time.
struct DryRunText {
    private let run: DryRun

    init(_ run: DryRun) {
        self.run = run
    }

    var text: String {
        let layers =
            [["layer", "type", "output shape", "parameters"]]
            + run.summary.rows.map {
                [
                    $0.path, $0.type, "\(Shape([run.images] + $0.output.dimensions))",
                    $0.parameters == 0 ? "–" : NumberText.grouped($0.parameters),
                ]
            }
        let used = run.memory.filter { $0.bytes > 0 }
        let memory =
            used.map { [$0.name, NumberText.megabytes($0.bytes)] } + [
                ["together", NumberText.megabytes(used.reduce(0) { $0 + $1.bytes })],
                [
                    "most in use so far, the program and its libraries included",
                    NumberText.megabytes(run.peakResidentBytes),
                ],
            ]
        return
            (["dry run: nothing is written"] + TextTable(facts: run.facts).lines
            + ["", "layers, images of a step on a rank: \(run.images)"]
            + TextTable(layers, [.left, .left, .left, .right]).lines
            + ["", "memory of a rank"] + TextTable(memory, [.left, .right]).lines
            + [
                "",
                "one step took \(NumberText.decimal(run.stepSeconds * 1e3, 1)) ms (the first; later ones take less): loss "
                    + "\(NumberText.decimal(run.loss, 4)), gradient norm \(NumberText.significant(run.gradientNorm))",
                "\(NumberText.grouped(run.steps)) steps take "
                    + "\(NumberText.duration(seconds: run.runSeconds)), evaluations and saves not counted",
            ]).joined(separator: "\n")
    }
}
