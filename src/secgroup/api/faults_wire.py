"""What is wrong before an operation is asked."""

from typing import Final

from secgroup.api.fault import Fault

#: What is wrong before an operation is asked: how a request is spelled, and who sends it.
WIRE: Final[dict[str, Fault]] = {
    "missing_action": Fault("MissingAction", "The request must contain an Action.", "ours"),
    "missing_version": Fault(
        "MissingParameter", "The request must contain the parameter Version", "ours"
    ),
    "no_such_version": Fault(
        "NoSuchVersion",
        "The requested version ({version}) of service AmazonEC2 does not exist",
        "codes",
    ),
    "no_such_action": Fault(
        "InvalidAction", "The action {action} is not valid for this web service.", "codes"
    ),
    "action_not_served": Fault(
        "InvalidAction",
        "The action {action} is not served by this endpoint; "
        "'secgroup serve --operations' lists those that are.",
        "ours",
    ),
    "method_not_served": Fault(
        "InvalidAction", "Requests are made by GET or by POST, not by {method}.", "ours", 405
    ),
    "body_is_no_form": Fault(
        "MalformedQueryString",
        "The body of a request is application/x-www-form-urlencoded, not {kind}.",
        "ours",
    ),
    "query_not_utf_8": Fault("MalformedQueryString", "The query string is not UTF-8.", "ours"),
    "request_too_large": Fault(
        "RequestEntityTooLarge", "A request may have {limit} bytes.", "ours", 413
    ),
    "request_too_slow": Fault(
        "RequestTimeout", "The body of the request did not come in {seconds} seconds.", "ours", 408
    ),
    "too_many_parameters": Fault(
        "MalformedQueryString", "A request may have {limit} parameters.", "ours"
    ),
    "parameter_too_deep": Fault(
        "MalformedQueryString", "A parameter's name may have {limit} parts.", "ours"
    ),
    "parameter_twice": Fault(
        "MalformedQueryString", "The parameter {name} is there more than once.", "ours"
    ),
    "unknown_parameter": Fault(
        "UnknownParameter", "The parameter {name} is not recognized", "codes"
    ),
    "missing_parameter": Fault(
        "MissingParameter", "The request must contain the parameter {name}", "seen"
    ),
    "invalid_value": Fault(
        "InvalidParameterValue",
        "Value ( {value} ) for parameter {name} is invalid. Expecting {expected}.",
        "ours",
    ),
    "invalid_character": Fault(
        "InvalidCharacter",
        "The parameter {name} has a character that XML cannot carry.",
        "ours",
    ),
}

#: Who sends a request, and whether that can be believed.
AUTH: Final[dict[str, Fault]] = {
    "not_signed": Fault(
        "MissingAuthenticationToken", "Request is missing Authentication Token", "codes", 403
    ),
    "signature_incomplete": Fault(
        "IncompleteSignature", "The signature of the request is incomplete: {problem}.", "ours"
    ),
    "unknown_access_key": Fault(
        "AuthFailure",
        "AWS was not able to validate the provided access credentials",
        "seen",
        401,
    ),
    "wrong_session_token": Fault(
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
        "codes",
        403,
    ),
    "wrong_signature": Fault(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method.",
        "ours",
        403,
    ),
    "request_expired": Fault("RequestExpired", "Request has expired.", "codes"),
    "from_another_page": Fault(
        "AccessDenied", "Pages of other origins may not ask this endpoint.", "ours", 403
    ),
    "unknown_host": Fault(
        "AccessDenied",
        "A server without credentials answers to loopback names only, not to {host}.",
        "ours",
        403,
    ),
    "plane_refused": Fault(
        "UnsupportedOperation", "The data plane cannot enforce that: {problem}", "ours"
    ),
    "internal_error": Fault("InternalError", "An internal error has occurred", "codes", 500),
}
