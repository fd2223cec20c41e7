import HilumCore

/// Where a block's norms stand: before attention and MLP (ViT), or after their sums with what came in (BERT).
public enum NormPlacement: String, Sendable, CaseIterable, JSONReadable, JSONWritable { case pre, post }
