package azure

import (
	"errors"
	"io/fs"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"tfos/internal/store/bucket"
)

const (
	sourceChanged = "SourceConditionNotMet"
	remedy        = "set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, spark.hadoop.fs.azure.account.key.ACCOUNT.dfs.core.windows.net, or a managed identity"
)

// translate returns the bucket.Error of an error of the SDK, whose own text has the URL
// with a signature.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var ours *bucket.Error
	if errors.As(err, &ours) {
		return ours
	}
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return bucket.FromNetwork(err)
	}
	header := http.Header{}
	if answer.RawResponse != nil {
		header = answer.RawResponse.Header
	}
	e := bucket.FromStatus(answer.StatusCode, header, answer.ErrorCode, "")
	switch answer.ErrorCode {
	case "BlobNotFound", "ResourceNotFound", "PathNotFound":
		e.Kind = fs.ErrNotExist
	case "ContainerNotFound", "FilesystemNotFound", "ContainerBeingDeleted":
		e.Kind = bucket.ErrNoBucket
	case "BlobAlreadyExists", "ResourceAlreadyExists", "PathAlreadyExists":
		e.Kind = fs.ErrExist
	case "ConditionNotMet", sourceChanged, "TargetConditionNotMet":
		e.Kind = bucket.ErrChanged
	case "InvalidRange":
		e.Kind = bucket.ErrRange
	case "AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation", "AccountIsDisabled":
		e.Kind, e.Message = bucket.ErrCredentials, remedy
	case "ServerBusy", "OperationTimedOut", "InternalError", "PendingCopyOperation":
		e.Again = true
	case "":
		e.Message = http.StatusText(answer.StatusCode)
		if answer.StatusCode == http.StatusNotFound {
			e.Kind = fs.ErrNotExist
		}
	}
	return e
}
