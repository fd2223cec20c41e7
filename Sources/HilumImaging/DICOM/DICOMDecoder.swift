import Foundation
import HilumCore
import Synchronization

/// Decodes DICOM files in processes of the program `hilum-dicom`.
///
///     bytes ─► a process that waits, or a new one ─► grey picture and tags, or a refusal
///                          │ crash, 2 s of a processor, too much memory
///                          └─► a refusal in words; the process is forgotten
///
/// The library that reads DICOM ends its process on some damaged files, so it runs where that takes nothing with it. There are as
/// many processes as threads that decode at once; they wait for the next file and end with this program.
/// Thread rule: any thread.
enum DICOMDecoder {
    private static let idle = Mutex<[DICOMProcess]>([])
    private static let programName = "hilum-dicom"

    /// `hilum-dicom` beside the program that runs.
    static let program: String = {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return FilePath.sibling(of: own ?? CommandLine.arguments[0], named: programName)
    }()

    /// - Parameter side: of the square that the picture is fitted into; nil leaves it as large as it is.
    /// - Throws: `decoderMissing`, `decoderLost`, `decoderStopped`, `noPicture`, `truncated`, `corrupt`, `tooManyPixels`, `outOfMemory`.
    static func decode(
        _ bytes: UnsafeRawBufferPointer, fitting side: Int?, limits: ImageLimits
    ) throws(ImagingError) -> DICOMPicture {
        let request = DICOMMessage.Request(byteCount: bytes.count, side: side, limits: limits)
        if let process = idle.withLock({ $0.popLast() }) {
            // It may have been killed while it waited, and files before this one may have left it little memory.
            do throws(ImagingError) { return try decode(bytes, request, process) } catch {
                guard error.code == .outOfMemory || error.code == DICOMProcess.lost else { throw error }
            }
        }
        return try decode(bytes, request, DICOMProcess(program: program))
    }

    private static func decode(
        _ bytes: UnsafeRawBufferPointer, _ request: DICOMMessage.Request, _ process: DICOMProcess
    ) throws(ImagingError) -> DICOMPicture {
        let result = try process.decode(bytes, request)
        if case .failure(let error) = result, error.code == .outOfMemory { throw error }
        keep(process)
        return try result.get()
    }

    /// Lets a process wait for the next file.
    static func keep(_ process: DICOMProcess) {
        idle.withLock { if $0.count < defaultThreadCount { $0.append(process) } }
    }
}
