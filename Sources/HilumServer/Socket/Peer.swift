/// Who is at the other end of a connection, as the kernel says.
struct Peer: Sendable, Equatable {
    var process: Int32
    var user: UInt32
    var group: UInt32
    /// The other groups that the user is in.
    var furtherGroups: [UInt32] = []

    /// The daemon's own user, root, and the configured users and groups may change the archive.
    func mayWrite(daemonUser: UInt32, _ configuration: ServerConfiguration) -> Bool {
        user == daemonUser || user == 0 || configuration.writerUsers.contains(user)
            || configuration.writerGroups.contains(group)
            || furtherGroups.contains { configuration.writerGroups.contains($0) }
    }
}
