import Foundation
import HilumCore
import HilumPrivacy

/// Proves of exported lines that identifiers were taken out of them, by the key of their archive and under which settings.
///
/// A line bears the member `settled`: the HMAC of the settings, the id and the report, by `log.key`. So lines that come from elsewhere, or
/// whose report was changed, cannot pass for such.
///
/// Thread rule: a value.
public struct LineProof: Sendable {
    private let key: PseudonymKey
    private let settings: PrivacySettings

    /// - Parameters:
    ///   - keyFile: the `log.key` of the archive that lines are, or were, exported from.
    ///   - settings: what that archive did, or must have done, with identifiers.
    ///   - makesKey: whether the key is made where there is none yet.
    /// - Throws: `.notFound`, `.io`.
    public init(keyFile: String, settings: PrivacySettings, makesKey: Bool) throws(ArchiveError) {
        self.settings = settings
        guard makesKey || access(keyFile, F_OK) == 0 else {
            throw ArchiveError(
                .notFound, "\(keyFile): there is no such key; name the log.key of the archive that was exported")
        }
        do throws(PrivacyError) { key = try PseudonymKey(file: keyFile) } catch {
            throw ArchiveError(.io, error.description)
        }
    }

    /// The member `settled` of a line.
    ///
    /// - Parameter report: as the line brings it; nil for none.
    public func member(id: String, report: String?) -> String {
        let text = report.flatMap { $0.allSatisfy(\.isWhitespace) ? nil : $0 }
        let said = [settings.deidentification.rawValue, settings.dates.rawValue, CaseID.canonical(id), text ?? ""]
        return key.proof(of: said.joined(separator: "\u{0}"))
    }
}
