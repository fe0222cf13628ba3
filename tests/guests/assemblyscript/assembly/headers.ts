// as-headers: a plugin on somebody else's SDK (ABI 0.2.0, wasi_unstable), to show that such modules load and work.
//
// A request with an x-block header is answered with 403; any other goes on with x-as-request added, and its response
// with x-as-response added; both carry the plugin's configuration.  A configuration "refuse" is refused.
export * from "@solo-io/proxy-runtime/proxy";
import {
  RootContext, Context, registerRootContext, FilterHeadersStatusValues, GrpcStatusValues, LogLevelValues, HeaderPair,
  log, send_local_response, stream_context,
} from "@solo-io/proxy-runtime";
import { Buffer, read_buffer } from "./plugin";

class Root extends RootContext {
  greeting: string = "";

  createContext(context_id: u32): Context {
    return new Stream(context_id, this);
  }

  onConfigure(configuration_size: u32): bool {
    // The SDK passes the size itself as the address where the host is to store the size, and then takes the
    // length from whatever it read last.  Hosts have to live with that store; the configuration is read
    // once more here, and the SDK's own reading, which would run wild, is left out when there is nothing to read.
    if (configuration_size != 0) {
      if (!super.onConfigure(configuration_size)) return false;
      this.greeting = read_buffer(Buffer.PluginConfiguration, configuration_size);
    }
    log(LogLevelValues.info, "as-headers configured: " + this.greeting);
    return this.greeting != "refuse";
  }
}

class Stream extends Context {
  greeting: string;

  constructor(context_id: u32, root: Root) {
    super(context_id, root);
    this.greeting = root.greeting;
  }

  onRequestHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    let reason = stream_context.headers.request.get("x-block");
    if (reason.length != 0) {
      log(LogLevelValues.warn, "as-headers blocks: " + reason);
      let header = new HeaderPair(String.UTF8.encode("x-as"), String.UTF8.encode("blocked"));
      send_local_response(403, "as_headers_blocked", String.UTF8.encode("blocked: " + reason), [header], GrpcStatusValues.InvalidCode);
      return FilterHeadersStatusValues.StopIteration;
    }
    stream_context.headers.request.add("x-as-request", this.greeting);
    return FilterHeadersStatusValues.Continue;
  }

  onResponseHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    stream_context.headers.response.add("x-as-response", this.greeting);
    return FilterHeadersStatusValues.Continue;
  }
}

registerRootContext((context_id: u32) => { return new Root(context_id); }, "");
registerRootContext((context_id: u32) => { return new Root(context_id); }, "as-headers");
