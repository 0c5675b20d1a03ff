internal import CHDF5
internal import Diagnostics
internal import Glibc

/// Groups and datasets by path. Every link on a path must be hard: a soft or external link would read from a place that
/// the name does not show, possibly another file.
extension HDF5File {
    /// True when the last link of the path exists. A link that is not hard exists too; opening it says what is wrong.
    package func exists(_ path: String) -> Bool {
        guard let id = try? liveIdentifier() else { return false }
        for prefix in prefixes(of: path) {
            guard H5Lexists(id, prefix, hid_t(H5P_DEFAULT)) > 0 else { return false }
            guard CHDF5_linkType(id, prefix) == H5L_TYPE_HARD.rawValue else { return true }
        }
        return true
    }

    /// The names in a group, sorted by their UTF-8 bytes.
    package func children(of group: String) throws(HDF5Error) -> [String] {
        try links(of: group).map(\.name)
    }

    /// One name in a group. Two of equal address are names of one object; nil where the name leads elsewhere (a soft or
    /// external link).
    package struct Link {
        package let name: String
        package let address: UInt64?
    }

    /// The links of a group, sorted by the UTF-8 bytes of their names; opens none of them.
    package func links(of group: String) throws(HDF5Error) -> [Link] {
        let location = try openObject(group)
        defer { _ = H5Oclose(location) }
        guard H5Iget_type(location) == H5I_GROUP else {
            throw HDF5Error(call: "open group", place: place(group), reason: "is not a group")
        }
        var links: [Link] = []
        let code = withUnsafeMutablePointer(to: &links) { links in
            H5Literate(
                location, H5_INDEX_NAME, H5_ITER_INC, nil,
                { _, name, info, context in
                    guard let name, let info, let context else { return -1 }
                    let address = info.pointee.type == H5L_TYPE_HARD ? UInt64(info.pointee.u.address) : nil
                    context.assumingMemoryBound(to: [Link].self).pointee
                        .append(Link(name: String(cString: name), address: address))
                    return 0
                }, links)
        }
        try HDF5Library.check(code, "H5Literate", place(group))
        return links.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// What `walk` finds under a name.
    package enum Object {
        case group
        case dataset(HDF5Dataset)
        /// Another name of an object that was seen under this one.
        case same(as: String)
        /// A link that is not hard, or an object that cannot be opened.
        case unreadable(HDF5Error)
    }

    /// Visits every object once, level by level, under the shortest of its names: links may make a tree of any size out of a few
    /// objects, or a circle. The root is level 0.
    ///
    /// Returns the first name that lies beyond so many levels or objects, where the walk ended; nil when everything was seen.
    /// Throws: what `visit` throws.
    package func walk(
        levels: Int, objects most: Int, _ visit: (_ path: String, Object) throws -> Void
    ) throws -> String? {
        var firstNames: [UInt64: String] = [:]
        var level: [(path: String, address: UInt64?)] = [("/", nil)]
        var seen = 0
        for _ in 0..<levels {
            var below: [(path: String, address: UInt64?)] = []
            for (path, address) in level {
                seen += 1
                if let address, let first = firstNames[address] {
                    try visit(path, .same(as: first))
                    continue
                }
                if let address { firstNames[address] = path }
                let (object, links) = look(at: path)
                try visit(path, object)
                for link in links {
                    guard seen + below.count < most else { return path }
                    below.append((path == "/" ? "/\(link.name)" : "\(path)/\(link.name)", link.address))
                }
            }
            level = below
        }
        return level.first?.path
    }

    /// The object under a name, and what is in it.
    private func look(at path: String) -> (Object, [Link]) {
        do {
            return try isGroup(path) ? (.group, links(of: path)) : (.dataset(dataset(path)), [])
        } catch {
            return (.unreadable(error), [])
        }
    }

    /// True for a group, false for a dataset or named type.
    package func isGroup(_ path: String) throws(HDF5Error) -> Bool {
        let object = try openObject(path)
        defer { _ = H5Oclose(object) }
        return H5Iget_type(object) == H5I_GROUP
    }

    /// Creates a group and those above it that are missing.
    package func createGroup(_ path: String) throws(HDF5Error) {
        let id = try liveIdentifier()
        let creation = try HDF5Library.check(H5Pcreate(CHDF5_propertiesGroupCreate()), "H5Pcreate", place(path))
        defer { _ = H5Pclose(creation) }
        try HDF5Library.check(H5Pset_obj_track_times(creation, false), "H5Pset_obj_track_times", place(path))
        let links = try linkProperties(path)
        defer { _ = H5Pclose(links) }
        let group = H5Gcreate2(id, path, links, creation, hid_t(H5P_DEFAULT))
        _ = H5Gclose(try HDF5Library.check(group, "H5Gcreate2", place(path)))
    }

    /// Opens a dataset after checking its links, rank, size and storage.
    package func dataset(_ path: String) throws(HDF5Error) -> HDF5Dataset {
        let object = try openObject(path)
        guard H5Iget_type(object) == H5I_DATASET else {
            _ = H5Oclose(object)
            throw HDF5Error(call: "open dataset", place: place(path), reason: "is not a dataset")
        }
        return try HDF5Dataset(file: self, name: path, adopting: object)
    }

    /// Opens whatever stands at a path of hard links; the caller closes it with `H5Oclose`.
    func openObject(_ path: String) throws(HDF5Error) -> hid_t {
        let id = try liveIdentifier()
        for prefix in prefixes(of: path) {
            guard H5Lexists(id, prefix, hid_t(H5P_DEFAULT)) > 0 else {
                _ = H5Eclear2(hid_t(H5E_DEFAULT))
                throw HDF5Error(call: "H5Lexists", place: place(path), reason: "there is no \(prefix.printable)")
            }
            let type = try HDF5Library.check(CHDF5_linkType(id, prefix), "H5Lget_info", place(prefix))
            guard type == H5L_TYPE_HARD.rawValue else {
                let kind = type == H5L_TYPE_SOFT.rawValue ? "a soft" : "an external or user-defined"
                throw HDF5Error(
                    call: "H5Lget_info", place: place(prefix), reason: "is \(kind) link; only hard links are followed")
            }
        }
        let name = path.isEmpty ? "/" : path
        return try HDF5Library.check(H5Oopen(id, name, hid_t(H5P_DEFAULT)), "H5Oopen", place(path))
    }

    /// Properties under which missing groups on the way are created; the caller closes them.
    func linkProperties(_ path: String) throws(HDF5Error) -> hid_t {
        let links = try HDF5Library.check(H5Pcreate(CHDF5_propertiesLinkCreate()), "H5Pcreate", place(path))
        do {
            try HDF5Library.check(
                H5Pset_create_intermediate_group(links, 1), "H5Pset_create_intermediate_group", place(path))
        } catch {
            _ = H5Pclose(links)
            throw error
        }
        return links
    }

    /// `/a/b/c` → `/a`, `/a/b`, `/a/b/c`; none for the root.
    private func prefixes(of path: String) -> [String] {
        var prefix = ""
        return path.split(separator: "/", omittingEmptySubsequences: true).map { component in
            prefix += "/" + component
            return prefix
        }
    }
}
