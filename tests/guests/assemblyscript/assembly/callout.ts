// as-callout: asks the service that the configuration names for /check before a request goes on.  An answer 200
// lets it pass, with the answer's x-user and body added to its headers; any other, or none, is 403.
export * from "@solo-io/proxy-runtime/proxy";
import {
  RootContext, Context, BaseContext, registerRootContext, FilterHeadersStatusValues, GrpcStatusValues, WasmResultValues, HeaderPair,
  continue_request, send_local_response, stream_context,
} from "@solo-io/proxy-runtime";
import { Buffer, field, read_buffer } from "./plugin";

class Root extends RootContext {
  service: string = "";

  createContext(context_id: u32): Context {
    return new Stream(context_id, this);
  }

  onConfigure(configuration_size: u32): bool {
    this.service = field(read_buffer(Buffer.PluginConfiguration, configuration_size), "service");
    return this.service.length != 0;
  }
}

function header(name: string, value: string): HeaderPair {
  return new HeaderPair(String.UTF8.encode(name), String.UTF8.encode(value));
}

function refuse(why: string): void {
  send_local_response(403, "as_callout", String.UTF8.encode(why), [], GrpcStatusValues.InvalidCode);
}

class Stream extends Context {
  root: Root;

  constructor(context_id: u32, root: Root) {
    super(context_id, root);
    this.root = root;
  }

  onRequestHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    let sent = this.root.httpCall(this.root.service, [header(":method", "GET"), header(":path", "/check"), header(":authority", "auth.example"),
                                  header("x-token", stream_context.headers.request.get("x-token"))],
                                  new ArrayBuffer(0), [], 1000, this,
                                  (origin: BaseContext, headers: u32, body_size: usize, trailers: u32) => {
      if (headers == 0) {
        refuse("no answer");
      } else if (stream_context.headers.http_callback.get(":status") != "200") {
        refuse("refused");
      } else {
        let user = stream_context.headers.http_callback.get("x-user");
        let body = read_buffer(Buffer.CallBody, body_size as u32);
        (origin as Context).setEffectiveContext();
        stream_context.headers.request.add("x-user", user);
        stream_context.headers.request.add("x-check", body);
        continue_request();
      }
    });
    if (sent != WasmResultValues.Ok) {
      refuse("cannot ask");
    }
    return FilterHeadersStatusValues.StopIteration;
  }
}

registerRootContext((context_id: u32) => { return new Root(context_id); }, "");
