/// The release that this program is.
public enum Release {
    /// Its version, as `hilum --version` and HELLO say it.
    public static let version = "0.1.0"
}
