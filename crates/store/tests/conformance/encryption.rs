//! Connections to a PostgreSQL server that are encrypted, and the servers that are refused.

use std::{net::TcpListener, path::Path};

use photinus_store::{
    Change, Options, Store, create_database, drop_database, options,
    testing::{Encryption, Server},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::{
    backends::{NS, commit},
    records::{self, id},
};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate of an authority for a name, and its key, in PEM.
fn issued(authority: &Issuer, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// The path of a new file, as it stands in a URL.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

async fn opens(url: &str) -> Result<(), String> {
    match Store::open(Options::postgres(url)).await {
        Ok(store) => {
            store.close().await;
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_reached_as_the_url_says() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, stranger) = (authority("ours"), authority("stranger"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (certificate, key) = issued(&ours, "localhost");
    let encryption = Encryption { certificate: certificate.clone(), key, authority: ours.pem(), port };
    let server = Server::encrypted(&encryption).await.unwrap();
    let inside = server.database().await.unwrap();
    let name = inside.rsplit('/').next().unwrap();
    let url = |user: &str, host: &str, query: &str| format!("postgres://{user}@{host}:{port}/{name}?{query}");
    let ca = file(folder.path(), "ca.pem", &ours.pem());
    let other = file(folder.path(), "other.pem", &stranger.pem());
    let itself = file(folder.path(), "server.pem", &certificate);
    let full = url("postgres", "localhost", &format!("sslmode=verify-full&sslrootcert={ca}"));

    // Both the connection that writes and those that read.
    let store = Store::open(Options::postgres(&full)).await.unwrap();
    commit(&store, [Change::InsertMessage(records::message(1))]).await.unwrap();
    assert!(store.read(NS).message(id(1)).await.unwrap().is_some());
    store.close().await;

    // Databases are made and removed in the same way.
    let admin = full.replace(&format!("/{name}?"), "/postgres?");
    for _ in 0..2 {
        create_database(&admin, "another").await.unwrap();
    }
    opens(&full.replace(&format!("/{name}?"), "/another?")).await.unwrap();
    drop_database(&admin, "another").await.unwrap();
    assert!(create_database(&admin, "an other").await.is_err());
    assert!(create_database(&admin.replace("localhost", "127.0.0.1"), "another").await.is_err());

    for query in ["", "sslmode=prefer", "sslmode=require", &format!("sslmode=verify-ca&sslrootcert={ca}")] {
        opens(&url("postgres", "127.0.0.1", query)).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    }
    // A certificate that is named itself.
    opens(&url("postgres", "localhost", &format!("sslmode=verify-full&sslrootcert={itself}"))).await.unwrap();
    // The socket in the file system is not encrypted, and is there all the same.
    opens(&inside).await.unwrap();

    for (what, wrong) in [
        ("no encryption", url("postgres", "localhost", "sslmode=disable")),
        ("another name", url("postgres", "127.0.0.1", &format!("sslmode=verify-full&sslrootcert={ca}"))),
        ("another name", url("postgres", "127.0.0.1", &format!("sslmode=verify-full&sslrootcert={itself}"))),
        ("another authority", url("postgres", "localhost", &format!("sslmode=verify-full&sslrootcert={other}"))),
        ("another authority", url("postgres", "localhost", &format!("sslmode=require&sslrootcert={other}"))),
        (
            "no certificate of the client",
            url("certified", "localhost", &format!("sslmode=verify-full&sslrootcert={ca}")),
        ),
        ("no such file", url("postgres", "localhost", "sslmode=verify-ca&sslrootcert=/does/not/exist.pem")),
        (
            "not PEM",
            url("postgres", "localhost", &format!("sslmode=verify-ca&sslrootcert={}", file(folder.path(), "x", "x"))),
        ),
    ] {
        let error = opens(&wrong).await.expect_err(what);
        assert!(error.len() > 30, "{what}: {error}");
    }

    let (certificate, key) = issued(&ours, "node");
    let (certificate, key) = (file(folder.path(), "node.pem", &certificate), file(folder.path(), "node.key", &key));
    let query = format!("sslmode=verify-full&sslrootcert={ca}&sslcert={certificate}&sslkey={key}");
    opens(&url("certified", "localhost", &query)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_encrypt_is_refused() {
    // It says no to the question for encryption, whatever it is asked.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let _read = stream.read(&mut [0; 64]).await;
            let _said = stream.write_all(b"N").await;
        }
    });
    let error = Store::open(Options::postgres(format!("postgres://x@127.0.0.1:{port}/x?sslmode=require"))).await;
    let error = error.err().unwrap();
    assert!(matches!(&error, options::Error::Unavailable(why) if why.contains("TLS")), "{error}");
    server.abort();
}
