import Testing

@testable import Tensors

@Suite("Arena layout")
struct ArenaLayoutTests {
    private struct Request {
        let bytes: Int
        let lifetime: ClosedRange<Int>
    }

    private func solve(_ requests: [Request]) -> (offsets: [Int], byteCount: Int) {
        var layout = ArenaLayout()
        let buffers = requests.map { layout.request(byteCount: $0.bytes, lifetime: $0.lifetime) }
        let solution = layout.solve()
        return (buffers.map { solution[$0] }, solution.byteCount)
    }

    @Test("buffers that are alive at once never overlap, lie inside the arena and on cache lines")
    func random() {
        var randoms = Randoms(60)
        for _ in 0..<200 {
            let requests = (0..<randoms.int(1...40)).map { _ in
                let first = randoms.int(0...20)
                return Request(bytes: randoms.int(0...5_000), lifetime: first...first + randoms.int(0...10))
            }
            let (offsets, byteCount) = solve(requests)
            for (index, request) in requests.enumerated() {
                #expect(offsets[index] % 64 == 0 && offsets[index] >= 0)
                #expect(offsets[index] + request.bytes <= byteCount)
                for other in 0..<index where requests[other].lifetime.overlaps(request.lifetime) {
                    let apart =
                        offsets[index] + request.bytes <= offsets[other]
                        || offsets[other] + requests[other].bytes <= offsets[index]
                    #expect(apart, "buffers \(other) and \(index)")
                }
            }
            #expect(byteCount <= requests.reduce(0) { $0 + max(64, ($1.bytes + 63) / 64 * 64) })
        }
    }

    @Test("a chain of buffers that hand over to one another takes the room of two")
    func reuse() {
        let chain = (0..<10).map { Request(bytes: 1_024, lifetime: $0...$0 + 1) }
        #expect(solve(chain).byteCount == 2_048)
    }

    @Test("a lifetime that ends at a step and one that begins there count as alive at once")
    func touching() {
        let (offsets, byteCount) = solve([Request(bytes: 64, lifetime: 0...3), Request(bytes: 64, lifetime: 3...5)])
        #expect(offsets[0] != offsets[1] && byteCount == 128)
        #expect(solve([Request(bytes: 64, lifetime: 0...2), Request(bytes: 64, lifetime: 3...5)]).byteCount == 64)
    }

    @Test("an arena is zeroed and at least as large as asked")
    func arena() throws {
        for bytes in [0, 1, 5_000, 3 << 20] {
            let arena = try Arena(byteCount: bytes)
            #expect(arena.byteCount >= bytes)
            let contents = UnsafeRawBufferPointer(start: arena.base, count: arena.byteCount)
            #expect(contents.allSatisfy { $0 == 0 })
        }
    }
}
