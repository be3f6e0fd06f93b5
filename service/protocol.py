"""HTTP as it arrives: what is none, or has too long a head, is refused as every error is."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import REQUEST_ID, new_request_id
from service.schemas import ErrorBody, ErrorDetail

REMEDY: Final = "path and headers may have 65,536 bytes; what is longer goes into a body"


class Protocol(HttpToolsProtocol):
    """The server's protocol, but for the words of its own refusals."""

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, and end the connection."""
        request_id = new_request_id()
        error = ErrorDetail(
            code="invalid_request", message=f"{msg} {REMEDY}", request_id=request_id
        )
        body = ErrorBody(error=error).model_dump_json().encode()
        head = (
            "HTTP/1.1 400 Bad Request",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"{REQUEST_ID}: {request_id}",
            "Connection: close",
        )
        self.transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        self.transport.close()
