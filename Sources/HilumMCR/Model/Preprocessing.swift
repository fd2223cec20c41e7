import HilumImaging

/// What happens to an image before the encoder sees it; part of the model's identity.
enum Preprocessing {
    /// Named in the model id: a change of the steps below changes the name.
    static let version = "grey16-area-pad-patch-1"

    /// Area-averaged to the model's input, aspect kept by black padding, cut into patches: 16-bit `[N, patchPixels]`.
    static func patches(of image: GrayImage, _ configuration: MCRConfiguration) -> [UInt16] {
        let side = configuration.imageSide
        let fitted = image.width == side && image.height == side ? image : image.resizedToFit(side: side)
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
