internal import Diagnostics
internal import Layers
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
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            cells.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - cells[column].count)
                return column < 3 ? cells[column] + space : space + cells[column]
            }.joined(separator: "  ")
        }
        let rule = String(repeating: "─", count: widths.reduce(0, +) + 2 * (widths.count - 1))
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
                    "\(NumberText.megabytes(planned)), activations, their gradients and scratch"
                ))
        }
        if !summary.endsInLogits {
            totals.append(("output", "no logits: a fragment, which cannot be trained or evaluated"))
        }
        let label = totals.map(\.0.count).max() ?? 0
        return
            (["\(summary.name), images \(summary.input)", rule, line(header), rule] + rows.map(line) + [rule]
            + totals.map { $0.0 + String(repeating: " ", count: label - $0.0.count) + "  " + $0.1 }).joined(
                separator: "\n")
    }

    var values: [String: Any] {
        var values: [String: Any] = [
            "model": summary.name, "input": summary.input.dimensions, "batch": batch, "parameters": summary.parameters,
            "buffers": summary.buffers, "multiply_adds": Int.product(summary.multiplyAdds, batch),
            "parameter_bytes": memory.parameters, "gradient_bytes": memory.gradients,
            "activation_bytes": memory.activations, "ends_in_logits": summary.endsInLogits,
            "layers": summary.rows.map { row in
                var values: [String: Any] = [
                    "path": row.path, "type": row.type, "output": [batch] + row.output.dimensions,
                    "parameters": row.parameters, "multiply_adds": Int.product(row.multiplyAdds, batch),
                ]
                if let field = row.receptiveField {
                    values["receptive_field"] = field.reach
                    values["stride"] = field.stride
                    values["sees_whole_image"] = field.isWhole
                }
                return values
            },
        ]
        values["plan_bytes"] = memory.planned
        return values
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
