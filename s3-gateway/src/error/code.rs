//! The codes of the S3 API that the gateway answers with, each with its status.

use hyper::StatusCode;

/// Declares the codes with their status.
macro_rules! codes {
    ($($variant:ident = $name:literal $status:ident;)+) => {
        /// A code of the S3 API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Code {
            /// Its name on the wire.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The status it travels with.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }
        }

        #[cfg(test)]
        pub(super) const ALL_CODES: &[Code] = &[$(Code::$variant,)+];
    };
}

codes! {
    AccessDenied = "AccessDenied" FORBIDDEN;
    AccessForbidden = "AccessForbidden" FORBIDDEN;
    AuthorizationHeaderMalformed = "AuthorizationHeaderMalformed" BAD_REQUEST;
    AuthorizationQueryParameters = "AuthorizationQueryParametersError" BAD_REQUEST;
    BadDigest = "BadDigest" BAD_REQUEST;
    BadRequest = "BadRequest" BAD_REQUEST;
    BucketAlreadyExists = "BucketAlreadyExists" CONFLICT;
    BucketAlreadyOwnedByYou = "BucketAlreadyOwnedByYou" CONFLICT;
    BucketNotEmpty = "BucketNotEmpty" CONFLICT;
    EncryptionConfigurationNotFound = "ServerSideEncryptionConfigurationNotFoundError" NOT_FOUND;
    EntityTooLarge = "EntityTooLarge" BAD_REQUEST;
    EntityTooSmall = "EntityTooSmall" BAD_REQUEST;
    IllegalLocationConstraint = "IllegalLocationConstraintException" BAD_REQUEST;
    IllegalVersioningConfiguration = "IllegalVersioningConfigurationException" BAD_REQUEST;
    IncompleteBody = "IncompleteBody" BAD_REQUEST;
    InternalError = "InternalError" INTERNAL_SERVER_ERROR;
    InvalidAccessKeyId = "InvalidAccessKeyId" FORBIDDEN;
    InvalidArgument = "InvalidArgument" BAD_REQUEST;
    InvalidBucketName = "InvalidBucketName" BAD_REQUEST;
    InvalidBucketOwner = "InvalidBucketOwnerAWSAccountID" BAD_REQUEST;
    InvalidDigest = "InvalidDigest" BAD_REQUEST;
    InvalidPart = "InvalidPart" BAD_REQUEST;
    InvalidPartNumber = "InvalidPartNumber" RANGE_NOT_SATISFIABLE;
    InvalidPartOrder = "InvalidPartOrder" BAD_REQUEST;
    InvalidRange = "InvalidRange" RANGE_NOT_SATISFIABLE;
    InvalidRedirectLocation = "InvalidRedirectLocation" BAD_REQUEST;
    InvalidRequest = "InvalidRequest" BAD_REQUEST;
    InvalidStorageClass = "InvalidStorageClass" BAD_REQUEST;
    InvalidToken = "InvalidToken" BAD_REQUEST;
    InvalidUri = "InvalidURI" BAD_REQUEST;
    KeyTooLong = "KeyTooLongError" BAD_REQUEST;
    MalformedTrailer = "MalformedTrailerError" BAD_REQUEST;
    MalformedXml = "MalformedXML" BAD_REQUEST;
    MetadataConfigurationNotFound = "MetadataConfigurationNotFound" NOT_FOUND;
    MetadataTooLarge = "MetadataTooLarge" BAD_REQUEST;
    MethodNotAllowed = "MethodNotAllowed" METHOD_NOT_ALLOWED;
    MissingContentLength = "MissingContentLength" LENGTH_REQUIRED;
    MissingSecurityHeader = "MissingSecurityHeader" BAD_REQUEST;
    NoSuchBucket = "NoSuchBucket" NOT_FOUND;
    NoSuchBucketPolicy = "NoSuchBucketPolicy" NOT_FOUND;
    NoSuchConfiguration = "NoSuchConfiguration" NOT_FOUND;
    NoSuchCorsConfiguration = "NoSuchCORSConfiguration" NOT_FOUND;
    NoSuchKey = "NoSuchKey" NOT_FOUND;
    NoSuchLifecycleConfiguration = "NoSuchLifecycleConfiguration" NOT_FOUND;
    NoSuchTagSet = "NoSuchTagSet" NOT_FOUND;
    NoSuchUpload = "NoSuchUpload" NOT_FOUND;
    NoSuchVersion = "NoSuchVersion" NOT_FOUND;
    NoSuchWebsiteConfiguration = "NoSuchWebsiteConfiguration" NOT_FOUND;
    NotImplemented = "NotImplemented" NOT_IMPLEMENTED;
    NotModified = "NotModified" NOT_MODIFIED;
    ObjectLockConfigurationNotFound = "ObjectLockConfigurationNotFoundError" NOT_FOUND;
    OperationAborted = "OperationAborted" CONFLICT;
    PreconditionFailed = "PreconditionFailed" PRECONDITION_FAILED;
    ReplicationConfigurationNotFound = "ReplicationConfigurationNotFoundError" NOT_FOUND;
    RequestHeaderSectionTooLarge = "RequestHeaderSectionTooLarge" BAD_REQUEST;
    RequestTimeout = "RequestTimeout" BAD_REQUEST;
    ServiceUnavailable = "ServiceUnavailable" SERVICE_UNAVAILABLE;
    SignatureDoesNotMatch = "SignatureDoesNotMatch" FORBIDDEN;
    SlowDown = "SlowDown" SERVICE_UNAVAILABLE;
    XAmzContentSha256Mismatch = "XAmzContentSHA256Mismatch" BAD_REQUEST;
}
