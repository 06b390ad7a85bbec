//! Every path of the server, and the handler it goes to. Find a URL here; its handler names the
//! context that answers.

use actix_web::{
    HttpResponse,
    guard::{self, Guard},
    http::Method,
    web::{self, ServiceConfig, resource},
};

use super::{Problem, health, openapi, ops, pages};
use crate::{
    contexts::{chat::handlers as chat, identity::handlers as identity},
    error::ErrorKind,
    realtime,
};

/// Declares the paths once, for actix and for the tests that hold the API document against them.
macro_rules! routes {
    ($( $path:literal => { $( $method:ident $handler:path ),+ $(,)? } )+) => {
        /// Every method and path that the server answers.
        pub const ROUTES: &[(&str, &str)] = &[ $( $( (stringify!($method), $path) ),+ ),+ ];

        /// Mounts them.
        pub fn configure(app: &mut ServiceConfig) {
            $(
                app.service(
                    resource($path)
                        $( .route(web::route().guard(takes(Method::$method)).to($handler)) )+
                        .default_service(web::to(|| async {
                            Err::<HttpResponse, _>(Problem::method_not_allowed(&[$( stringify!($method) ),+]))
                        })),
                );
            )+
            app.default_service(web::to(|| async {
                Err::<HttpResponse, _>(Problem::new(ErrorKind::NotFound, "there is nothing at this path"))
            }));
        }
    };
}

/// A GET handler answers HEAD too; the body is left out below us.
fn takes(method: Method) -> Box<dyn Guard> {
    if method == Method::GET {
        Box::new(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        Box::new(guard::Method(method))
    }
}

routes! {
    "/" => { GET pages::index }
}
