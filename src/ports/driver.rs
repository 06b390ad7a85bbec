//! Where the connections to a server live: a thread of their own. HTTP workers are single threads that come
//! and go, and a connection must not stall or die with the worker that happened to open it.

use std::io;

use tokio::runtime::{Handle, Runtime};

/// A runtime of one thread, which goes with this value.
pub(crate) struct Driver(Option<Runtime>);

impl Driver {
    /// Starts it.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs a call there; one that nobody waits for any more is dropped. `None` if it panicked.
    pub async fn run<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let handle = self.0.as_ref().map(|runtime| runtime.handle().clone())?;
        spawn(&handle, call).await
    }
}

async fn spawn<T: Send + 'static>(
    handle: &Handle,
    call: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);
    impl<T> Drop for AbortOnDrop<T> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut task = AbortOnDrop(handle.spawn(call));
    (&mut task.0).await.ok()
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Dropping it outright would panic inside another runtime.
            runtime.shutdown_background();
        }
    }
}
