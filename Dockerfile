# The SDK builds, a runtime image without a shell runs. Built by docker, podman and buildah, for amd64 and arm64:
# `dotnet fsi build.fsx -- image` calls whichever is there.
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0
ARG RUNTIME_IMAGE=mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled

# The SDK runs on the machine that builds, whatever the image is for.
FROM --platform=$BUILDPLATFORM ${SDK_IMAGE} AS build
ARG TARGETARCH
WORKDIR /source
# What decides the restore comes first, so that a change of the code does not repeat it.
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY src/Conduit.Core/Conduit.Core.fsproj src/Conduit.Core/
COPY src/Conduit.Client/Conduit.Client.fsproj src/Conduit.Client/
COPY src/Conduit.Transport/Conduit.Transport.csproj src/Conduit.Transport/
COPY src/Conduit.Server/Conduit.Server.fsproj src/Conduit.Server/
RUN dotnet restore src/Conduit.Server -a $TARGETARCH -p:PublishReadyToRun=true
COPY src src
RUN dotnet publish src/Conduit.Server -c Release -a $TARGETARCH --no-self-contained --no-restore \
    -p:PublishReadyToRun=true -p:DebugType=none -o /app

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Conduit" \
      org.opencontainers.image.description="An HTTP load balancer and reverse proxy on .NET" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /app /app
# Nothing is written anywhere: the debugger's pipe in /tmp would be the only thing.
ENV DOTNET_EnableDiagnostics=0
# A conduit.yaml that is mounted here is found without a flag.
WORKDIR /etc/conduit
USER 1654:1654
EXPOSE 3030 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=5s --retries=3 \
    CMD ["/app/conduit", "check", "--health", "http://127.0.0.1:8090/livez"]
ENTRYPOINT ["/app/conduit"]
