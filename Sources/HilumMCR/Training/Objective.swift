import HilumCore

/// What a training step optimises.
public enum Objective: String, Sendable, CaseIterable, JSONReadable, JSONWritable {
    /// Masked Contrastive Reconstruction: the masked input alone serves contrast and reconstruction (arXiv 2312.15840).
    case mcr
    /// Two streams: the unmasked input for contrast, a masked one for reconstruction (what the paper compares with).
    case dual
    /// Contrast on the unmasked input, no reconstruction.
    case clip
}
