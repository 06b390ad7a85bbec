//! S3 servers for one test each, on a port of their own: versitygw over a folder, which checks signatures,
//! sizes and checksums as Amazon's does; moto in memory, which takes every key.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    ports::objects::s3::{S3, Settings},
    tests::support::{sdk::venv, wait::eventually},
};

const ACCESS: &str = "gigsy-tests";
const SECRET: &str = "not-a-secret-of-anybody";

/// A server. Gone when dropped.
pub(crate) struct S3Server {
    child: Child,
    port: u16,
    _files: TempDir,
}

/// `GIGSY_TEST_S3_BIN`, or what `scripts/setup-tests` installed.
pub(crate) fn versitygw() -> Option<PathBuf> {
    let named = std::env::var_os("GIGSY_TEST_S3_BIN").map(PathBuf::from);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join(".gigsy/test/versitygw");
    named.into_iter().chain([built]).find(|bin| bin.is_file())
}

/// What `scripts/setup-tests` installed.
pub(crate) fn moto() -> Option<PathBuf> {
    Some(venv("moto_server")).filter(|bin| bin.is_file())
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl S3Server {
    pub async fn moto(bin: &Path) -> Self {
        let (port, files) = (free_port(), TempDir::new().unwrap());
        let log = std::fs::File::create(files.path().join("log")).unwrap();
        let child = Command::new(bin)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("moto runs");
        Self::up(child, port, files).await
    }

    pub async fn versitygw(bin: &Path) -> Self {
        let (port, files) = (free_port(), TempDir::new().unwrap());
        let sidecar = files.path().join("meta");
        let data = files.path().join("data");
        std::fs::create_dir_all(&sidecar).unwrap();
        std::fs::create_dir_all(&data).unwrap();
        let log = std::fs::File::create(files.path().join("log")).unwrap();
        let child = Command::new(bin)
            .args(["--access", ACCESS, "--secret", SECRET, "--region", "eu-central-1", "--port"])
            .arg(format!("127.0.0.1:{port}"))
            .args(["posix", "--sidecar"])
            .arg(&sidecar)
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("versitygw runs");
        Self::up(child, port, files).await
    }

    async fn up(child: Child, port: u16, files: TempDir) -> Self {
        let address = ("127.0.0.1", port);
        eventually("the S3 server answers", Duration::from_secs(60), || async {
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
        Self { child, port, _files: files }
    }

    /// A client of a fresh bucket.
    pub async fn bucket(&self, name: &str) -> S3 {
        let s3 = S3::new(&Settings {
            bucket: name.to_owned(),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port).parse().unwrap()),
            region: "eu-central-1".into(),
            access_key: ACCESS.into(),
            secret_key: SECRET.into(),
            path_style: true,
            media_base: None,
        })
        .unwrap();
        let known = s3.bucket();
        s3::Bucket::create_with_path_style(
            name,
            known.region(),
            known.credentials().await.unwrap(),
            s3::BucketConfiguration::default(),
        )
        .await
        .expect("the bucket is made");
        s3
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
