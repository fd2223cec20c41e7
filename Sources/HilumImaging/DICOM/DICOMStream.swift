import Foundation

/// Whole messages over a descriptor.
///
/// Thread rule: one owner at a time.
package struct DICOMStream: Sendable {
    private let descriptor: Int32
    private let isSocket: Bool

    /// The other end has gone, or took longer than the descriptor's time-out.
    package enum Failure: Error, Sendable { case ended, late }

    /// - Parameter isSocket: then a reader that is gone is an error of the write, and no signal.
    package init(_ descriptor: Int32, isSocket: Bool) {
        self.descriptor = descriptor
        self.isSocket = isSocket
    }

    package func send(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
        var done = 0
        while done < bytes.count {
            // Safety: `done` stays below the count, and the bytes are the caller's for this call.
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count =
                isSocket
                ? Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                : write(descriptor, rest.baseAddress, rest.count)
            if count > 0 { done += count } else if count == 0 || errno != EINTR { throw Self.failure(count) }
        }
    }

    /// Fills `bytes`.
    package func receive(_ bytes: UnsafeMutableRawBufferPointer) throws(Failure) {
        var done = 0
        while done < bytes.count {
            // Safety: as in `send`.
            let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
            let count = read(descriptor, rest.baseAddress, rest.count)
            if count > 0 { done += count } else if count == 0 || errno != EINTR { throw Self.failure(count) }
        }
    }

    private static func failure(_ count: Int) -> Failure {
        count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? .late : .ended
    }

    package func send(_ bytes: [UInt8]) throws(Failure) {
        var failure: Failure?
        bytes.withUnsafeBytes { raw in
            do throws(Failure) { try send(raw) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    package func receive(_ byteCount: Int) throws(Failure) -> [UInt8] {
        var failure: Failure?
        let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            do throws(Failure) {
                try receive(UnsafeMutableRawBufferPointer(buffer))
                count = byteCount
            } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    package func receiveSamples(_ sampleCount: Int) throws(Failure) -> [UInt16] {
        var failure: Failure?
        let samples = [UInt16](unsafeUninitializedCapacity: sampleCount) { buffer, count in
            do throws(Failure) {
                try receive(UnsafeMutableRawBufferPointer(buffer))
                count = sampleCount
            } catch { failure = error }
        }
        if let failure { throw failure }
        return samples
    }
}
