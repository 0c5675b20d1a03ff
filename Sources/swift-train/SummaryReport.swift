internal import Diagnostics
internal import Layers
internal import Report
internal import Tensors

/// A network's summary as a table and as JSON.
struct SummaryReport {
    let summary: NetworkSummary
    let memory: NetworkSummary.Memory
    let batch: Int

    var text: String {
        let header = ["layer", "type", "output shape", "parameters", "multiply-adds", "receptive field", "stride"]
        let rows = summary.rows.map { row in
            [
                row.path, row.type, "\(Shape([batch] + row.output.dimensions))",
                row.parameters == 0 ? "–" : NumberText.grouped(row.parameters),
                row.multiplyAdds == 0 ? "–" : NumberText.grouped(Int.product(row.multiplyAdds, batch)),
                Self.reach(row.receptiveField),
                Self.stride(row.receptiveField),
            ]
        }
        let layers = TextTable([header] + rows, [.left, .left, .left, .right])
        let lines = layers.lines
        var totals = [
            ("parameters", NumberText.grouped(summary.parameters)),
            ("buffers", NumberText.grouped(summary.buffers)),
            (
                "multiply-adds",
                "\(NumberText.grouped(Int.product(summary.multiplyAdds, batch))) for a batch of \(batch)"
            ),
            ("memory of parameters", NumberText.megabytes(memory.parameters)),
            ("memory of gradients", NumberText.megabytes(memory.gradients)),
            ("memory of activations", NumberText.megabytes(memory.activations)),
        ]
        if let planned = memory.planned {
            totals.append(
                (
                    "memory of a training plan",
                    "\(NumberText.megabytes(planned)), activations, their gradients and scratch\(checkpointing)"
                ))
        }
        if !summary.endsInLogits {
            totals.append(("output", "no logits: a fragment, which cannot be trained or evaluated"))
        }
        return
            (["\(summary.name), images \(summary.input)", layers.rule, lines[0], layers.rule] + lines.dropFirst()
            + [layers.rule] + TextTable(facts: totals).lines).joined(separator: "\n")
    }

    /// What segments save; nothing where there are none.
    private var checkpointing: String {
        guard memory.segments > 1, let uncut = memory.uncut else { return "" }
        return "; \(memory.segments) segments, \(NumberText.megabytes(uncut)) without them"
    }

    /// `weights`: how a file of them fits, where one was given.
    func json(weights: JSON?) -> JSON {
        var members = [
            JSON.Member("model", .string(summary.name)), JSON.Member("input", .integers(summary.input.dimensions)),
            JSON.Member("batch", .integer(batch)), JSON.Member("parameters", .integer(summary.parameters)),
            JSON.Member("buffers", .integer(summary.buffers)),
            JSON.Member("multiply_adds", .integer(Int.product(summary.multiplyAdds, batch))),
            JSON.Member("parameter_bytes", .integer(memory.parameters)),
            JSON.Member("gradient_bytes", .integer(memory.gradients)),
            JSON.Member("activation_bytes", .integer(memory.activations)),
        ]
        if let planned = memory.planned { members.append(JSON.Member("plan_bytes", .integer(planned))) }
        if memory.segments > 1 { members.append(JSON.Member("segments", .integer(memory.segments))) }
        members += [
            JSON.Member("ends_in_logits", .boolean(summary.endsInLogits)),
            JSON.Member("layers", .array(summary.rows.map(json(of:)))),
        ]
        if let weights { members.append(JSON.Member("weights", weights)) }
        return .object(members)
    }

    private func json(of row: NetworkSummary.Row) -> JSON {
        var members = [
            JSON.Member("path", .string(row.path)), JSON.Member("type", .string(row.type)),
            JSON.Member("output", .integers([batch] + row.output.dimensions)),
            JSON.Member("parameters", .integer(row.parameters)),
            JSON.Member("multiply_adds", .integer(Int.product(row.multiplyAdds, batch))),
        ]
        if let field = row.receptiveField {
            members += [
                JSON.Member("receptive_field", .integers(field.reach)),
                JSON.Member("stride", .integers(field.stride)),
                JSON.Member("sees_whole_image", .boolean(field.isWhole)),
            ]
        }
        return .object(members)
    }

    private static func reach(_ field: NetworkSummary.ReceptiveField?) -> String {
        guard let field else { return "varies" }
        return field.isWhole ? "all" : square(field.reach)
    }

    private static func stride(_ field: NetworkSummary.ReceptiveField?) -> String {
        guard let field else { return "varies" }
        return field.isWhole ? "–" : square(field.stride)
    }

    private static func square(_ values: [Int]) -> String {
        Set(values).count == 1 ? "\(values[0])" : values.map(String.init).joined(separator: "×")
    }
}
