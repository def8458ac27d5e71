using Microsoft.Extensions.Primitives;

namespace Conduit.Transport;

/// <summary>Where the fields of a request's head go.</summary>
public interface IHeadSink
{
    void Field(string name, string value);

    /// <summary>Each of the values as a field of its own.</summary>
    void Fields(string name, StringValues values);
}
