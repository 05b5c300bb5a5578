//! Holds a pod's namespaces: sleeps until it is told to stop.
//!
//! As process 1 of a pid namespace it gets no default action for signals, so it waits for one by blocking
//! on its standard input being closed never; the runtime ends it with SIGKILL after SIGTERM's grace.

fn main() {
    loop {
        std::thread::park();
    }
}
