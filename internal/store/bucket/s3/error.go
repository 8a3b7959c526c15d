package s3

import (
	"errors"
	"io/fs"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"tfos/internal/store/bucket"
)

const noSuchUpload = "NoSuchUpload"

// translate returns the bucket.Error of an error of the SDK. It keeps the code and the
// sentence of the store, and neither address nor headers.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var provider *credentialsError
	if errors.As(err, &provider) {
		return &bucket.Error{Kind: bucket.ErrCredentials, Message: provider.Error() + "; " + remedy}
	}
	var answer *awshttp.ResponseError
	var api smithy.APIError
	if !errors.As(err, &answer) {
		if errors.As(err, &api) {
			return fromCode(0, nil, api.ErrorCode(), api.ErrorMessage())
		}
		var operation *smithy.OperationError
		if errors.As(err, &operation) {
			err = operation.Err
		}
		return bucket.FromNetwork(err)
	}
	if answer.Response == nil || answer.Response.Response == nil || answer.HTTPStatusCode() == 0 {
		return bucket.FromNetwork(answer.Err)
	}
	status, header := answer.HTTPStatusCode(), answer.Response.Header
	if !errors.As(err, &api) {
		e := bucket.FromStatus(status, header, "", http.StatusText(status))
		if status < 300 { // an answer that could not be read
			e.Again, e.Cause = true, bucket.FromNetwork(answer.Err)
		}
		return e
	}
	return fromCode(status, header, api.ErrorCode(), api.ErrorMessage())
}

// remedy is what to do about credentials.
const remedy = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, spark.hadoop.fs.s3a.access.key and .secret.key, or an instance role"

// fromCode returns the error of a store's code. Codes are more exact than the status.
func fromCode(status int, header http.Header, code, message string) error {
	e := bucket.FromStatus(status, header, code, message)
	switch code {
	case "NoSuchKey", "NotFound", "NoSuchVersion":
		e.Kind = fs.ErrNotExist
	case "NoSuchBucket":
		e.Kind = bucket.ErrNoBucket
	case "PreconditionFailed":
		e.Kind = bucket.ErrChanged
	case "InvalidRange":
		e.Kind = bucket.ErrRange
	case "AccessDenied", "AllAccessDisabled", "AccountProblem":
		e.Kind = bucket.ErrDenied
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredTokenException":
		e.Kind = bucket.ErrCredentials
		e.Message += "; " + remedy
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "MovedPermanently", "BadRequest":
		e.Message += "; if the bucket is in another region, set AWS_REGION or spark.hadoop.fs.s3a.endpoint.region"
	case "RequestTimeout", "SlowDown", "ServiceUnavailable", "InternalError", "OperationAborted", "ConditionalRequestConflict", "ThrottlingException", "Throttling", "RequestLimitExceeded":
		e.Again = true
	}
	return e
}

func bytesRange(offset, size int64) *string {
	return aws.String("bytes=" + strconv.FormatInt(offset, 10) + "-" + strconv.FormatInt(offset+size-1, 10))
}
