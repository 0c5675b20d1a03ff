internal import CHDF5
internal import Diagnostics
internal import Synchronization

/// An open HDF5 file, on disk or in memory.
///
/// Files are created in the library's oldest format, without object times and with little-endian types: equal calls give
/// equal bytes. A file is used by one thread at a time. `close()` reports what `deinit` must swallow; after it the file
/// and its datasets only throw.
package final class HDF5File {
    /// As given when opened; opens every error.
    package let path: String
    private(set) var id: hid_t
    /// What we only read was written by others, and is judged more strictly than what we are writing.
    let isReadOnly: Bool
    /// Large data of files on disk begins on a page, so that it can be mapped as it is.
    private static let alignment: hsize_t = 4096
    private static let alignmentThreshold: hsize_t = 65536
    /// The core driver grows its image by this much; the system moves large images without copying them.
    private static let coreIncrementBytes = 1 << 20
    /// The library tells files in memory apart by name alone: a second one of the same name would share the first one's
    /// bytes, or be refused.
    private static let filesInMemory = Atomic<Int>(0)

    private static func uniqueName(_ name: String) -> String {
        "\(name)#\(filesInMemory.add(1, ordering: .relaxed).newValue)"
    }

    private init(path: String, id: hid_t, isReadOnly: Bool) {
        self.path = path
        self.id = id
        self.isReadOnly = isReadOnly
    }

    deinit {
        if id >= 0 { _ = H5Fclose(id) }
    }

    /// Opens a file for reading, without a lock: our writers make new files and rename them, network file systems often have
    /// no locks, and a process that is started while another file of this one is open inherits that one's lock.
    package static func open(_ path: String) throws(HDF5Error) -> HDF5File {
        try withAccessProperties(path) { access throws(HDF5Error) in
            try HDF5Library.check(H5Pset_file_locking(access, false, true), "H5Pset_file_locking", path)
            let id = H5Fopen(path, CHDF5_openReadOnly(), access)
            return HDF5File(path: path, id: try HDF5Library.check(id, "H5Fopen", path), isReadOnly: true)
        }
    }

    /// Creates a file that must not exist; or, with `replacing`, writes over one that the caller made and holds a lock on.
    package static func create(_ path: String, replacing: Bool = false) throws(HDF5Error) -> HDF5File {
        try withAccessProperties(path) { access throws(HDF5Error) in
            if replacing {
                try HDF5Library.check(H5Pset_file_locking(access, false, true), "H5Pset_file_locking", path)
            }
            try HDF5Library.check(H5Pset_alignment(access, alignmentThreshold, alignment), "H5Pset_alignment", path)
            return try createFile(path, path: path, access, replacing: replacing)
        }
    }

    /// Creates a file that lives in memory only; `name` appears in errors.
    package static func createInMemory(name: String) throws(HDF5Error) -> HDF5File {
        try withAccessProperties(name) { access throws(HDF5Error) in
            try HDF5Library.check(H5Pset_fapl_core(access, coreIncrementBytes, false), "H5Pset_fapl_core", name)
            return try createFile(uniqueName(name), path: name, access)
        }
    }

    /// Opens a file image for reading, without copying it: the bytes must stay in place until the file is closed.
    package static func open(image: UnsafeRawBufferPointer, name: String) throws(HDF5Error) -> HDF5File {
        guard let base = image.baseAddress, image.count > 0 else {
            throw HDF5Error(call: "open image", place: name, reason: "the image is empty")
        }
        return try withAccessProperties(name) { access throws(HDF5Error) in
            try HDF5Library.check(H5Pset_fapl_core(access, coreIncrementBytes, false), "H5Pset_fapl_core", name)
            let borrowed = UnsafeMutableRawPointer(mutating: base)
            // The property list and the driver each ask for a copy of the image; both get the caller's bytes.
            var callbacks = H5FD_file_image_callbacks_t(
                image_malloc: { _, _, image in image },
                image_memcpy: { destination, _, _, _, _ in destination },
                image_realloc: { _, _, _, _ in nil },
                image_free: { _, _, _ in 0 },
                udata_copy: { image in image },
                udata_free: { _ in 0 },
                udata: borrowed)
            try HDF5Library.check(
                H5Pset_file_image_callbacks(access, &callbacks), "H5Pset_file_image_callbacks", name)
            try HDF5Library.check(H5Pset_file_image(access, borrowed, image.count), "H5Pset_file_image", name)
            let id = H5Fopen(uniqueName(name), CHDF5_openReadOnly(), access)
            return HDF5File(path: name, id: try HDF5Library.check(id, "H5Fopen", name), isReadOnly: true)
        }
    }

    /// Writes everything the library holds back, then closes file and datasets; both codes are checked.
    package func close() throws(HDF5Error) {
        guard id >= 0 else { return }
        try HDF5Library.prepare()
        let closing = id
        id = -1
        var flushError: HDF5Error?
        do {
            try HDF5Library.check(H5Fflush(closing, H5F_SCOPE_GLOBAL), "H5Fflush", path)
        } catch {
            flushError = error
        }
        let closed = H5Fclose(closing)
        // A failed flush makes closing fail too, with words that no longer name the cause.
        if let flushError { throw flushError }
        try HDF5Library.check(closed, "H5Fclose", path)
    }

    /// Lends the bytes of a file made by `createInMemory`, without copying them. They are valid inside `body` only.
    package func withImage<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
        let id = try liveIdentifier()
        try HDF5Library.check(H5Fflush(id, H5F_SCOPE_GLOBAL), "H5Fflush", path)
        let byteCount = try HDF5Library.check(H5Fget_file_image(id, nil, 0), "H5Fget_file_image", path)
        var handle: UnsafeMutableRawPointer?
        try HDF5Library.check(H5Fget_vfd_handle(id, hid_t(H5P_DEFAULT), &handle), "H5Fget_vfd_handle", path)
        // The core driver's handle is the address of its pointer to the image.
        guard let image = handle?.load(as: UnsafeRawPointer?.self) else {
            throw HDF5Error(call: "H5Fget_vfd_handle", place: path, reason: "the file is not in memory")
        }
        return try body(UnsafeRawBufferPointer(start: image, count: byteCount))
    }

    /// A copy of the bytes of a file made by `createInMemory`.
    package func image() throws -> [UInt8] {
        try withImage { Array($0) }
    }

    /// Files, datasets, groups, types and attributes that the process holds open.
    package static var openObjectCount: Int {
        Int(H5Fget_obj_count(CHDF5_allFiles(), CHDF5_allObjects()))
    }

    /// The same for what was opened through this handle, itself included; others may have opened the same file.
    package var openObjectCount: Int {
        id < 0 ? 0 : Int(H5Fget_obj_count(id, CHDF5_ownObjects()))
    }

    /// The size of the file as the library sees it.
    func byteCount() throws(HDF5Error) -> Int {
        var size: hsize_t = 0
        try HDF5Library.check(H5Fget_filesize(try liveIdentifier(), &size), "H5Fget_filesize", path)
        return Int(clamping: size)
    }

    /// Bytes in front of the HDF5 part of the file.
    func userBlockBytes() throws(HDF5Error) -> Int {
        let creation = try HDF5Library.check(H5Fget_create_plist(try liveIdentifier()), "H5Fget_create_plist", path)
        defer { _ = H5Pclose(creation) }
        var size: hsize_t = 0
        try HDF5Library.check(H5Pget_userblock(creation, &size), "H5Pget_userblock", path)
        return Int(clamping: size)
    }

    func liveIdentifier() throws(HDF5Error) -> hid_t {
        try HDF5Library.prepare()
        guard id >= 0 else { throw HDF5Error(call: "use", place: path, reason: "the file is closed") }
        return id
    }

    /// Of an object's name, which is the file's word and may hold anything.
    func place(_ object: String) -> String {
        "\(path):" + (object.hasPrefix("/") ? object : "/" + object).printable
    }

    /// The descriptor through which the library reads a file on disk; it is the library's, and closed with the file.
    package func descriptor() throws(HDF5Error) -> Int32 {
        let id = try liveIdentifier()
        var handle: UnsafeMutableRawPointer?
        try HDF5Library.check(H5Fget_vfd_handle(id, hid_t(H5P_DEFAULT), &handle), "H5Fget_vfd_handle", path)
        guard let handle else {
            throw HDF5Error(call: "H5Fget_vfd_handle", place: path, reason: "the file has no descriptor")
        }
        return handle.load(as: Int32.self)
    }

    private static func createFile(
        _ name: String, path: String, _ access: hid_t, replacing: Bool = false
    ) throws(HDF5Error) -> HDF5File {
        let creation = try HDF5Library.check(H5Pcreate(CHDF5_propertiesFileCreate()), "H5Pcreate", path)
        defer { _ = H5Pclose(creation) }
        try HDF5Library.check(H5Pset_obj_track_times(creation, false), "H5Pset_obj_track_times", path)
        let id = H5Fcreate(name, replacing ? CHDF5_createReplacing() : CHDF5_createExclusive(), creation, access)
        return HDF5File(path: path, id: try HDF5Library.check(id, "H5Fcreate", path), isReadOnly: false)
    }

    /// Properties for every way to open: oldest format, closing takes the datasets along, locks where there are any.
    private static func withAccessProperties<Result>(
        _ place: String, _ body: (hid_t) throws(HDF5Error) -> Result
    ) throws(HDF5Error) -> Result {
        try HDF5Library.prepare()
        let access = try HDF5Library.check(H5Pcreate(CHDF5_propertiesFileAccess()), "H5Pcreate", place)
        defer { _ = H5Pclose(access) }
        try HDF5Library.check(
            H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, CHDF5_newestFormat()), "H5Pset_libver_bounds", place)
        try HDF5Library.check(H5Pset_fclose_degree(access, H5F_CLOSE_STRONG), "H5Pset_fclose_degree", place)
        try HDF5Library.check(H5Pset_file_locking(access, true, true), "H5Pset_file_locking", place)
        return try body(access)
    }
}
