internal import Foundation

/// Paths that begin with `~`, where no shell has read them: in configurations, behind `=`.
package enum HomePath {
    /// The path with `~` or `~NAME` in front replaced by the home folder, as a shell does it; others as they are, also
    /// where there is no such user.
    package static func expanded(_ path: String) -> String {
        guard path.hasPrefix("~") else { return path }
        let name = path.dropFirst().prefix { $0 != "/" }
        guard let home = name.isEmpty ? ownHome : home(of: String(name)) else { return path }
        return home + path.dropFirst(1 + name.count)
    }

    private static var ownHome: String? {
        if let home = getenv("HOME"), home.pointee != 0 { return String(cString: home) }
        return getpwuid(getuid()).map { String(cString: $0.pointee.pw_dir) }
    }

    private static func home(of user: String) -> String? { getpwnam(user).map { String(cString: $0.pointee.pw_dir) } }
}
