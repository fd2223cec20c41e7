/// A decoded DICOM file.
package struct DICOMPicture: Sendable, Equatable {
    /// The first frame, as a radiologist's screen would show it.
    package let image: GrayImage
    /// What the tags say.
    package let description: DICOMDescription

    package init(image: GrayImage, description: DICOMDescription) {
        self.image = image
        self.description = description
    }
}
