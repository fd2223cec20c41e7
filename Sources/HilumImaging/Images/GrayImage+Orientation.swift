extension GrayImage {
    /// The picture as its maker wants it seen.
    ///
    /// - Parameter orientation: as Exif numbers it (CIPA DC-008, section 4.6.5): 1 as it is, 3 upside down, 6 and 8 turned by a quarter
    ///   to the right and to the left, 2, 4, 5 and 7 the mirror images of these. Any other number is read as 1.
    func oriented(_ orientation: Int) -> GrayImage {
        guard (2...8).contains(orientation) else { return self }
        let isTurned = orientation >= 5
        let newWidth = isTurned ? height : width
        let newHeight = isTurned ? width : height
        // What a step right and a step down in the new picture are in the samples of the old one.
        let (start, right, down): (Int, Int, Int)
        let last = samples.count - 1
        switch orientation {
        case 2: (start, right, down) = (width - 1, -1, width)
        case 3: (start, right, down) = (last, -1, -width)
        case 4: (start, right, down) = (last - width + 1, 1, -width)
        case 5: (start, right, down) = (0, width, 1)
        case 6: (start, right, down) = (last - width + 1, -width, 1)
        case 7: (start, right, down) = (last, -width, -1)
        default: (start, right, down) = (width - 1, width, -1)
        }
        var turned = [UInt16](repeating: 0, count: samples.count)
        samples.withUnsafeBufferPointer { old in
            turned.withUnsafeMutableBufferPointer { new in
                for y in 0..<newHeight {
                    var place = start + y * down
                    for x in 0..<newWidth {
                        new[y * newWidth + x] = old[place]
                        place += right
                    }
                }
            }
        }
        return GrayImage(width: newWidth, height: newHeight, samples: turned)
    }

    /// Whether every sample is the same, so that nothing can be seen.
    var isBlank: Bool {
        guard let first = samples.first else { return true }
        return samples.allSatisfy { $0 == first }
    }
}
