# Two stages: the SDK builds, a small runtime image runs.
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0
ARG RUNTIME_IMAGE=mcr.microsoft.com/dotnet/aspnet:10.0

FROM ${SDK_IMAGE} AS build
WORKDIR /source
# What decides the restore comes first, so that a change of the code does not repeat it.
COPY global.json Directory.Build.props Directory.Packages.props ./
COPY src/Conduit.Core/Conduit.Core.fsproj src/Conduit.Core/
COPY src/Conduit.Server/Conduit.Server.fsproj src/Conduit.Server/
RUN dotnet restore src/Conduit.Server
COPY src src
RUN dotnet publish src/Conduit.Server -c Release -o /app --no-restore

FROM ${RUNTIME_IMAGE}
WORKDIR /app
COPY --from=build /app .
USER 1654
EXPOSE 3030 8090
ENTRYPOINT ["/app/conduit"]
