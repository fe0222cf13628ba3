// as-body: holds a request's body to its end and turns it to upper case; puts the plugin's configuration before each
// response's body.
export * from "@solo-io/proxy-runtime/proxy";
import {
  RootContext, Context, registerRootContext, FilterHeadersStatusValues, FilterDataStatusValues, stream_context,
} from "@solo-io/proxy-runtime";
import { Buffer, read_buffer, write_buffer } from "./plugin";

class Root extends RootContext {
  prefix: string = "";

  createContext(context_id: u32): Context {
    return new Stream(context_id, this);
  }

  onConfigure(configuration_size: u32): bool {
    this.prefix = read_buffer(Buffer.PluginConfiguration, configuration_size);
    return true;
  }
}

class Stream extends Context {
  prefix: string;
  begun: bool = false;

  constructor(context_id: u32, root: Root) {
    super(context_id, root);
    this.prefix = root.prefix;
  }

  onRequestBody(size: usize, end_of_stream: bool): FilterDataStatusValues {
    if (!end_of_stream) return FilterDataStatusValues.StopIterationAndBuffer;
    write_buffer(Buffer.RequestBody, 0, size as u32, read_buffer(Buffer.RequestBody, size as u32).toUpperCase());
    return FilterDataStatusValues.Continue;
  }

  onResponseHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    stream_context.headers.response.remove("content-length");
    return FilterHeadersStatusValues.Continue;
  }

  onResponseBody(size: usize, end_of_stream: bool): FilterDataStatusValues {
    if (!this.begun) {
      this.begun = true;
      write_buffer(Buffer.ResponseBody, 0, 0, this.prefix);
    }
    return FilterDataStatusValues.Continue;
  }
}

registerRootContext((context_id: u32) => { return new Root(context_id); }, "");
