import HilumCore

/// What a look at a file tells of the cases that it belongs to.
package struct FileGlance: Sendable, Equatable {
    /// The study UID of a DICOM picture; nil for every other file.
    package var study: String?
    /// Whether it holds reports in another form than text, which say by themselves of which cases they are.
    package var holdsReports: Bool

    package init(study: String? = nil, holdsReports: Bool = false) {
        self.study = study
        self.holdsReports = holdsReports
    }

    /// Looks at a file, which is opened where its name does not say enough.
    ///
    /// - Parameter root: the source that it lies in.
    package init(of file: FoundFile, root: String) {
        var finder = CaseFinder(root: root)
        // What cannot be opened now is looked at again when it is taken.
        holdsReports = (try? finder.reportKind(of: file)) ?? nil != nil
        study = holdsReports ? nil : finder.glance(at: file)?.study
    }
}
