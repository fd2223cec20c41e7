/// Where a block's norms stand: before attention and MLP (ViT), or after their sums with what came in (BERT).
public enum NormPlacement: String, Codable, Sendable, CaseIterable { case pre, post }
