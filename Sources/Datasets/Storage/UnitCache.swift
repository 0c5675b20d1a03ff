internal import Foundation

/// The last units of storage that were read, for all readers: each is read by one of them, and the others wait for it.
///
/// Every field that changes is guarded by `condition`.
final class UnitCache: @unchecked Sendable {
    /// Bytes of a unit, freed with the last use of it.
    final class Unit: @unchecked Sendable {
        let bytes: UnsafeMutableRawPointer

        init(byteCount: Int) {
            bytes = .allocate(byteCount: byteCount, alignment: 64)
        }

        deinit { bytes.deallocate() }
    }

    private enum Entry {
        case loading
        case loaded(Unit)
    }

    private let condition = NSCondition()
    private var entries: [Int: Entry] = [:]
    /// In the order in which they were read; those before `oldest` are gone.
    private var numbers: [Int] = []
    private var oldest = 0
    private var capacity: Int

    init(capacity: Int) {
        self.capacity = max(1, capacity)
    }

    /// Keeps at least so many units.
    func keep(_ units: Int) {
        condition.lock()
        defer { condition.unlock() }
        capacity = max(capacity, units)
    }

    /// The unit of a number, which `load` reads if it is not here. Throws: what `load` throws.
    func unit(_ number: Int, load: () throws -> Unit) throws -> Unit {
        if let unit = take(number) { return unit }
        do {
            let unit = try load()
            put(unit, number)
            return unit
        } catch {
            put(nil, number)
            throw error
        }
    }

    /// nil: the caller is to read it.
    private func take(_ number: Int) -> Unit? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            switch entries[number] {
            case .loaded(let unit): return unit
            case .loading: condition.wait()
            case nil:
                entries[number] = .loading
                return nil
            }
        }
    }

    /// nil: it could not be read; the next one to ask may try.
    private func put(_ unit: Unit?, _ number: Int) {
        condition.lock()
        defer { condition.unlock() }
        entries[number] = unit.map { .loaded($0) }
        if unit != nil { numbers.append(number) }
        while numbers.count - oldest > capacity {
            entries[numbers[oldest]] = nil
            oldest += 1
        }
        if oldest > numbers.count / 2 {
            numbers.removeFirst(oldest)
            oldest = 0
        }
        condition.broadcast()
    }
}
