import HilumImaging

/// What happens to an image before the encoder sees it; part of the model's identity.
enum Preprocessing {
    /// Named in the model id: a change of the steps below changes the name.
    static let version = "grey16-area-pad-patch-1"

    /// Stands in the model id of a model that sees the standard view: a change of `StandardView` changes it.
    static let standardVersion = "1"

    /// The side of the square that a picture may be fitted into first, without a change of what the model sees.
    static func readingSide(_ configuration: MCRConfiguration) -> Int {
        switch configuration.view {
        case .padded: configuration.imageSide
        case .standard: StandardView.readingSide(configuration.imageSide)
        }
    }

    /// The picture as the model sees it, a square of its input's size.
    static func square(of image: GrayImage, _ configuration: MCRConfiguration) -> GrayImage {
        let side = configuration.imageSide
        switch configuration.view {
        case .padded: return image.width == side && image.height == side ? image : image.resizedToFit(side: side)
        case .standard: return StandardView(of: image, side: side).image
        }
    }

    /// The part of a picture that the square shows, in the picture's pixels.
    static func region(of image: GrayImage, _ configuration: MCRConfiguration) -> PixelRect {
        switch configuration.view {
        case .padded: PixelRect(x: 0, y: 0, width: image.width, height: image.height)
        case .standard: StandardView(of: image, side: configuration.imageSide).region
        }
    }

    /// The square cut into patches: 16-bit `[N, patchPixels]`.
    static func patches(of image: GrayImage, _ configuration: MCRConfiguration) -> [UInt16] {
        let side = configuration.imageSide
        let fitted = square(of: image, configuration)
        let patchSide = configuration.patchSide
        let grid = configuration.gridSide
        return [UInt16](unsafeUninitializedCapacity: side * side) { buffer, initialized in
            fitted.samples.withUnsafeBufferPointer { samples in
                var next = 0
                for patchRow in 0..<grid {
                    for patchColumn in 0..<grid {
                        for y in 0..<patchSide {
                            let start = (patchRow * patchSide + y) * side + patchColumn * patchSide
                            for x in 0..<patchSide {
                                buffer[next] = samples[start + x]
                                next += 1
                            }
                        }
                    }
                }
            }
            initialized = side * side
        }
    }
}
