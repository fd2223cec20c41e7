import CHilumSystem
import Foundation
import HilumCore
import Synchronization

extension EventLoop {
    /// Replies on their way from the threads to the loop, and word of those that went out by themselves.
    ///
    /// It owns the descriptor that wakes the loop, because a thread may post when the loop is gone: the number of a closed
    /// descriptor may by then be that of another file or socket.
    ///
    /// Thread rule: any thread posts; the loop does the rest.
    final class Mailbox: Sendable {
        struct Letter: Sendable {
            let client: UInt64
            let ticket: Int
            /// What is left to be written of it.
            let reply: Reply
        }

        private struct State {
            var letters: [Letter] = []
            /// Whether the loop was woken since it took the letters.
            var isRaised = false
            /// Tickets whose letters wake the loop in any case, by their clients.
            var called: [UInt64: Int] = [:]
        }

        private let state = Mutex(State())
        /// An eventfd; negative when none was to be had.
        let wake = hilum_eventfd_create()

        deinit { if wake >= 0 { close(wake) } }

        /// - Parameter mayWait: whether it is soon enough when the loop wakes up for another reason.
        func post(_ letter: Letter, mayWait: Bool = false) {
            let raises = state.withLock { state in
                state.letters.append(letter)
                if state.isRaised || mayWait && state.called[letter.client] != letter.ticket { return false }
                state.isRaised = true
                return true
            }
            if raises { hilum_eventfd_raise(wake) }
        }

        func takeAll() -> [Letter] {
            state.withLock { state in
                state.isRaised = false
                if state.letters.isEmpty { return [] }
                let taken = state.letters
                state.letters = []
                // A letter about another request of the client, such as one whose deadline had passed, is not the one that was called for.
                if !state.called.isEmpty {
                    for letter in taken where state.called[letter.client] == letter.ticket {
                        state.called[letter.client] = nil
                    }
                }
                return taken
            }
        }

        /// Lets the letter with a ticket wake the loop.
        ///
        /// - Returns: whether it lies there.
        func call(for client: UInt64, _ ticket: Int) -> Bool {
            state.withLock { state in
                state.called[client] = ticket
                return state.letters.contains { $0.client == client && $0.ticket == ticket }
            }
        }

        /// The client is gone.
        func forget(_ client: UInt64) { state.withLock { state in state.called[client] = nil } }
    }
}
