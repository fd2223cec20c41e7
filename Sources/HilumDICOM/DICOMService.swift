import CGDCM
import Foundation
import HilumImaging

/// Answers requests of `DICOMMessage` until the other end goes.
///
/// Before the first request the process gives up what it does not need: files, sockets, other processes, and memory beyond a
/// budget. A file that takes too long, or on which the library fails, ends the process, and the other end says so.
/// Thread rule: one thread.
package enum DICOMService {
    /// Memory beyond what the program itself takes (about 20 MB of it are in use): the whole stays below 256 MiB.
    private static let memoryInBytes: UInt64 = 232 << 20
    /// Of it for one picture; the rest is for the tables of the library, and for what lies between blocks.
    private static let pictureInBytes = 226 << 20
    /// Of a processor, for one file.
    private static let timeInMilliseconds: UInt32 = 2_000

    /// Serves standard input and output.
    ///
    /// - Returns: the exit status.
    package static func run() -> Int32 {
        let stream = DICOMStream(0, isSocket: false)
        let output = DICOMStream(1, isSocket: false)
        guard hilum_dicom_confine(memoryInBytes) == 0 else { return 2 }
        while let version = try? stream.receive(1) {
            do {
                guard version == [DICOMMessage.version] else {
                    try output.send([DICOMMessage.version])
                    // Whoever sends the file reads the answer after it.
                    while (try? stream.receive(4096)) != nil {}
                    return 1
                }
                let head = try stream.receive(DICOMMessage.Request.encodedByteCount)
                let request = try DICOMMessage.Request(head)
                try answer(request, try stream.receive(request.byteCount), output)
            } catch { return 1 }
        }
        return 0
    }

    private static func answer(
        _ request: DICOMMessage.Request, _ bytes: consuming [UInt8], _ output: DICOMStream
    ) throws(DICOMStream.Failure) {
        guard hilum_dicom_limit_time(timeInMilliseconds) == 0 else { throw .ended }
        let result = decode(bytes, request)
        guard hilum_dicom_limit_time(0) == 0 else { throw .ended }
        switch result {
        case .success(let picture):
            try send(.picture(picture.description), picture.image.width, picture.image.height, output)
            var failure: DICOMStream.Failure?
            picture.image.samples.withUnsafeBytes { raw in
                do throws(DICOMStream.Failure) { try output.send(raw) } catch { failure = error }
            }
            if let failure { throw failure }
        case .failure(let error): try send(.refused(error), 0, 0, output)
        }
    }

    private static func send(
        _ outcome: DICOMMessage.Outcome, _ width: Int, _ height: Int, _ output: DICOMStream
    ) throws(DICOMStream.Failure) {
        let bytes = outcome.encoded
        let head = DICOMMessage.ReplyHead(outcomeByteCount: bytes.count, width: width, height: height)
        try output.send([DICOMMessage.version] + head.encoded + bytes)
    }

    private static func decode(
        _ bytes: consuming [UInt8], _ request: DICOMMessage.Request
    ) -> Result<DICOMPicture, ImagingError> {
        do throws(ImagingError) {
            let picture = try DICOMReader.read(
                bytes, fitting: request.side, limits: request.limits, memoryInBytes: pictureInBytes)
            return .success(picture)
        } catch { return .failure(error) }
    }
}
