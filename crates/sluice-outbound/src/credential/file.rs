//! Small files with secrets, read anew each time: whoever rotates a key does not restart the gateway.

use super::CredentialFault;

const FILE_BYTES_MAX: u64 = 64 * 1024;

pub async fn read(path: &str) -> Result<Vec<u8>, CredentialFault> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let length = std::fs::metadata(&owned)?.len();
        if length > FILE_BYTES_MAX { Ok(None) } else { std::fs::read(&owned).map(Some) }
    });
    match read.await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(CredentialFault::Configuration(format!("`{path}` has more than {FILE_BYTES_MAX} bytes"))),
        Ok(Err(error)) => Err(CredentialFault::Configuration(format!("`{path}`: {error}"))),
        Err(error) => Err(CredentialFault::Configuration(format!("`{path}`: {error}"))),
    }
}
